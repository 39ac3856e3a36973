// Who is in the cluster, who was and never may be again, the cluster's version and a downgrade under way (etcd
// membership.RaftCluster; parity CLU, MEM, VER). A value: no I/O, no lock. The apply owner changes its own copy and shows
// readers an immutable one (apply::StateMachine::cluster()).
//
// Changes append what must be stored to a list of records, in etcd's form (BKT-07, MEM-09, VER-02, VER-07); apply writes
// them into the backend's batch of the entry.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/types.h"
#include "membership/member.h"
#include "membership/version.h"
#include "raft/types.h"

namespace holdfast::membership {

enum class RecordBucket : uint8_t { members, members_removed, cluster };

struct RecordChange {
  RecordBucket bucket = RecordBucket::members;
  std::string key;
  std::optional<std::string> value;  // none: erase
  bool operator==(const RecordChange&) const = default;
};
using RecordChanges = std::vector<RecordChange>;

struct DowngradeInfo {
  bool enabled = false;
  std::string target_version;
  bool operator==(const DowngradeInfo&) const = default;
};

// What the three buckets hold, as read.
struct StoredRecords {
  std::vector<std::pair<std::string, std::string>> members;
  std::vector<std::string> members_removed;  // keys
  std::optional<std::string> cluster_version;
  std::optional<std::string> downgrade;
};
// Keys of the bucket `cluster`.
inline constexpr std::string_view kClusterVersionKey = "clusterVersion";
inline constexpr std::string_view kDowngradeKey = "downgrade";

class Cluster {
 public:
  Cluster() = default;
  // Members known from flags or from other members, while the log has not yet named them: listed like others, but not in
  // the way of the conf changes that add them.
  static Cluster provisional(ClusterId id, const std::vector<Member>& members);
  // DataLoss if the records can't be understood.
  static absl::StatusOr<Cluster> from_records(ClusterId id, const StoredRecords& records);

  ClusterId id() const { return id_; }
  const std::map<MemberId, Member>& members() const { return members_; }
  const Member* find(MemberId id) const;
  const Member* find_by_name(std::string_view name) const;
  bool is_removed(MemberId id) const { return removed_.contains(id); }
  const std::set<MemberId>& removed() const { return removed_; }
  // True if any member came from the log or the backend.
  bool is_established() const;
  const std::optional<Version>& version() const { return version_; }  // none: not decided yet
  const DowngradeInfo& downgrade() const { return downgrade_; }
  std::vector<MemberId> voters() const;    // ascending
  std::vector<MemberId> learners() const;  // ascending
  // Voters and learners by id (MEM-07).
  raft::ConfState conf_state() const;

  // --- before a conf change is proposed (CLU-03, CLU-06, CLU-09) ---

  // Started voters would be a quorum of the voters with one more.
  bool is_ready_to_add_voter() const;
  bool is_ready_to_remove_voter(MemberId id) const;
  bool is_ready_to_promote() const;

  // --- at apply ---

  // CLU-05. Errors: member_not_found, member_exist, peer_url_exist, member_not_learner, too_many_learners; and
  // member_not_enough_started for the removal of the last voter. A context that
  // can't be read is InvalidArgument: etcd panics, on all members alike.
  absl::Status validate(const raft::ConfChange& change, int max_learners) const;

  // One that validate() took.
  void apply(const raft::ConfChange& change, RecordChanges& records);

  void add(const Member& member, RecordChanges& records);
  void remove(MemberId id, RecordChanges& records);
  // False if there is no such member; nothing is changed then.
  bool promote(MemberId id, RecordChanges& records);
  // CLU-08: peer URLs only.
  bool update_peer_urls(MemberId id, const std::vector<std::string>& urls, RecordChanges& records);
  bool update_attributes(MemberId id, std::string name, std::vector<std::string> client_urls,
                         RecordChanges& records);
  void set_version(const Version& version, RecordChanges& records);
  void set_downgrade(DowngradeInfo info, RecordChanges& records);

  bool operator==(const Cluster&) const = default;

 private:
  void store(const Member& member, RecordChanges& records);

  ClusterId id_;
  std::map<MemberId, Member> members_;
  std::set<MemberId> provisional_;
  std::set<MemberId> removed_;
  std::optional<Version> version_;
  DowngradeInfo downgrade_;
};

// {"voters":[..],"learners":[..],"auto_leave":false}: the meta key confState (BKT-10).
std::string to_json(const raft::ConfState& state);
// {"target-version":"3.6.0","enabled":true} (VER-07).
std::string to_json(const DowngradeInfo& info);
std::optional<DowngradeInfo> parse_downgrade(std::string_view json);

// Lower-case hex without leading zeros: keys of the members buckets (MEM-09).
std::string member_key(MemberId id);
std::optional<MemberId> parse_member_key(std::string_view key);

}  // namespace holdfast::membership
