// What the cluster says about itself through the log: its version, its members' names and client URLs. Until 3.5 etcd's
// members say it in v2 requests, and 3.4 knows no other form; 3.7 knows only the v3 form (parity MEM-08, MEM-10, VER-01).
// So the form follows the oldest member.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "membership/v2_store.h"
#include "server/member_versions.h"
#include "server/peers.h"
#include "server/request_path.h"

namespace holdfast::server {

enum class FactForm : uint8_t { v2, v3 };

// The cluster's version decides if it is above 3.0.0, which etcd also sets when it can't know better; otherwise the
// members that could be asked.
FactForm fact_form(const std::optional<membership::Version>& cluster, const MemberVersions& members);
// Whether that may be wrong: the cluster's version is not decided, and a member is silent. An entry in the v3 form would
// kill a member of 3.4 for good, so whoever writes asks again after kSilencePause: for as long as it takes if the member is
// connected, and only busy; for kSilenceMax if it seems to be down, since a cluster must come up without it.
enum class Doubt : uint8_t { none, about_one_that_is_down, about_one_that_is_connected };
Doubt doubt_about(const std::optional<membership::Version>& cluster, const MemberVersions& members, const Peers& peers);
inline constexpr env::Duration kSilenceMax = std::chrono::seconds(5);
inline constexpr env::Duration kSilencePause = std::chrono::milliseconds(100);
// Whether to ask once more, `asked_for` after the first time.
inline bool ask_again(Doubt doubt, env::Duration asked_for) {
  return doubt == Doubt::about_one_that_is_connected ||
         (doubt == Doubt::about_one_that_is_down && asked_for < kSilenceMax);
}

// Thread-safe; answers like the Proposer.
class ClusterFacts {
 public:
  ClusterFacts(Proposer& proposer, V2Proposer& v2_proposer)
      : proposer_(proposer), v2_proposer_(v2_proposer) {}

  void set_version(const CallContext& context, FactForm form, const membership::Version& version,
                   ProposalDone done);
  void set_attributes(const CallContext& context, FactForm form, MemberId member,
                      const membership::Attributes& attributes, ProposalDone done);

 private:
  Proposer& proposer_;
  V2Proposer& v2_proposer_;
};

}  // namespace holdfast::server
