// What clients ask about leases without the log: keep-alive, time-to-live and the list (etcd v3_server.go LeaseRenew,
// LeaseTimeToLive, LeaseLeases; parity LEA-05..12). The leader's lessor alone knows the time; other members ask it
// through a LeaderLessor, again and again until ReqTimeout is over. The leader's peer port answers them by the
// renew_for_peer() and time_to_live_for_peer() here.
//
// Calls: on context.reply_on, where `done` runs exactly once, perhaps inside the call. Thread-safe: holds no state;
// several I/O threads call at once.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "apply/guarded_lessor.h"
#include "server/access_control.h"
#include "server/applied_waits.h"
#include "server/leader_lessor.h"
#include "server/leadership.h"
#include "server/member_info.h"
#include "server/request_path.h"

namespace holdfast::server {

class LeaseRequests {
 public:
  struct Options {
    bool fast_keep_alive = true;  // gate FastLeaseKeepAlive
    env::Duration request_timeout = std::chrono::seconds(7);  // PUT-07
    env::Duration election_timeout = std::chrono::seconds(1);
  };
  struct Parts {
    apply::GuardedLessor& lessor;
    const MemberInfo& member;
    const Leadership& leadership;
    AppliedWaits& applied;
    Proposer& proposer;
    const AccessControl& access;
    LeaderLessor& leader;
  };
  LeaseRequests(Parts parts, Options options) : parts_(parts), options_(options) {}

  // The granted TTL. Errors: lease_not_found; no_leader, timeout, timeout_wait_applied_index, not_primary_lessor, and
  // those of access.
  using RenewDone = UniqueFunction<void(absl::StatusOr<int64_t>)>;
  void renew(const CallContext& context, LeaseId id, RenewDone done);
  // The same for the usual case that nothing has to be waited for; nothing if something has. Keep-alives are the most
  // frequent of all requests.
  std::optional<absl::StatusOr<int64_t>> renew_at_once(const CallContext& context, LeaseId id);

  // Errors: lease_not_found; leader_changed, no_leader, timeout, timeout_wait_applied_index, and those of access.
  using InfoDone = UniqueFunction<void(absl::StatusOr<LeaseInfo>)>;
  void time_to_live(const CallContext& context, LeaseId id, LeaseKeys keys, InfoDone done);

  // This member's, by expiry (LEA-12).
  absl::StatusOr<std::vector<LeaseId>> list(const CallContext& context) const;

  // For other members. Errors: lease_not_found, timeout_wait_applied_index, not_primary_lessor.
  void renew_for_peer(env::Executor& reply_on, LeaseId id, RenewDone done);
  void time_to_live_for_peer(env::Executor& reply_on, LeaseId id, LeaseKeys keys, InfoDone done);

 private:
  // One keep-alive on its way; held by whatever it waits for.
  struct Renewal {
    CallContext context;
    LeaseId id;
    RenewDone done;
    env::Instant forward_deadline{};  // set when it is first sent on
    size_t next_url = 0;
    enum class For : uint8_t { client, peer } on_behalf = For::client;
  };
  using RenewalRef = std::unique_ptr<Renewal>;
  struct Lookup {
    CallContext context;
    LeaseId id;
    LeaseKeys keys;
    InfoDone done;
    env::Instant forward_deadline{};  // as Renewal's
    size_t next_url = 0;
  };
  using LookupRef = std::unique_ptr<Lookup>;

  void renew_as_leader(RenewalRef renewal);
  void renew_here(RenewalRef renewal);
  void renew_expired(RenewalRef renewal);
  void reset_checkpoint(RenewalRef renewal);
  void not_primary(RenewalRef renewal);
  void look_up_here(LookupRef lookup);
  absl::StatusOr<LeaseInfo> info(env::Instant now, LeaseId id, LeaseKeys keys) const;

  template <class Ref>
  void forward(Ref ref);
  void ask(RenewalRef renewal, std::string url, env::Duration patience);
  void ask(LookupRef lookup, std::string url, env::Duration patience);

  absl::Status check_renew(const AuthInfo& who, LeaseId id) const;
  absl::Status check_keys_readable(const AuthInfo& who, LeaseId id) const;

  const Parts parts_;
  const Options options_;
};

}  // namespace holdfast::server
