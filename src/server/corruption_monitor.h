// Compares this member's data with the others' (etcd server/etcdserver/corrupt.go; parity OPS-14): once before a member
// that has lived before takes part again, and while it leads every now and then, by the data as they are and by the
// hashes that all take at each compaction. Who differs gets the alarm CORRUPT, which stops writes.
#pragma once

#include <functional>

#include "base/log.h"
#include "env/executor.h"
#include "server/chore.h"
#include "server/corruption.h"
#include "server/member_info.h"
#include "server/remote_cluster.h"
#include "server/request_path.h"

namespace holdfast::server {

struct CorruptionChecks {
  bool initial = false;                                         // gate InitialCorruptCheck
  env::Duration interval{};                                     // --corrupt-check-time; 0: never
  bool compactions = false;                                     // gate CompactHashCheck
  env::Duration compaction_interval = std::chrono::minutes(1);  // --compact-hash-check-time
};

class CorruptionMonitor : public Chore {
 public:
  struct Parts {
    env::Executor& executor;
    const MemberInfo& member;
    MemberOperations& operations;
    Proposer& proposer;
    LinearizableReader& reader;
    RemoteCluster* remote;  // null: a cluster of one
    Logger& log;
  };
  CorruptionMonitor(Parts parts, CorruptionChecks checks, env::Duration request_timeout);
  ~CorruptionMonitor() override;

  // Any thread, before start(). An error if others hold different data at the same revision; OK if none could be asked,
  // as when the whole cluster starts. `done` runs on the executor.
  void check_initially(UniqueFunction<void(absl::Status)> done);

  std::string_view name() const override { return "corruption"; }
  void start() override;
  void stop() override;

 private:
  using PeerHashes = std::vector<PeerHash>;
  using WithHashes = UniqueFunction<void(PeerHashes)>;
  using WithHash = UniqueFunction<void(const mvcc::HashResult&)>;

  void ask_others(Revision revision, WithHashes then);
  void check_data();
  void compare_data(const mvcc::HashResult& before, const PeerHashes& others);
  void check_compactions();
  void check_compaction(std::vector<mvcc::CompactionHash> newest_first, size_t next);
  // True: no older compaction need be looked at.
  bool judge_compaction(const mvcc::CompactionHash& own, const PeerHashes& others);
  void report(MemberId member);  // as corrupt
  void own_hash(WithHash then);
  bool leads() const { return parts_.member.leader() == parts_.member.member_id(); }

  const Parts parts_;
  const CorruptionChecks checks_;
  const env::Duration request_timeout_;
  bool stopped_ = false;
  bool checking_data_ = false;
  bool checking_compactions_ = false;
  Revision newest_equal_;  // of the compactions that were equal everywhere
  env::TimerId data_timer_ = 0;
  env::TimerId compaction_timer_ = 0;
};

}  // namespace holdfast::server
