// Clusters under random trouble: messages lost, doubled and out of order, slow disks, crashes that
// lose what was not written, snapshots and compaction, members coming and going. After every step
// the invariants must hold; when the trouble ends, everybody must get to the same state. The same
// seed gives the same run.
#include <deque>
#include <map>
#include <memory>
#include <vector>

#include "base/random.h"
#include "gtest/gtest.h"
#include "raft/codec.h"
#include "raft/describe.h"
#include "raft/invariants.h"
#include "raft/raw_node.h"

namespace holdfast::raft {
namespace {

constexpr size_t kMembers = 5;
constexpr size_t kFounders = 3;

class SilentLogger : public Logger {
 public:
  bool enabled(LogLevel) const override { return false; }
  void write(LogLevel, std::string_view) override {}
};

// The state machine: a chain of digests, which no two histories share.
struct Machine {
  Index applied{1};
  uint64_t chain = 0;
  ConfState members;

  void apply(const Entry& entry) {
    applied = entry.index;
    chain = (chain ^ entry.term.value) * 0x9e3779b97f4a7c15u + 1;
    for (char c : entry.data.view()) chain = (chain ^ static_cast<uint8_t>(c)) * 0x100000001b3u;
  }
  Snapshot snapshot(Term term) const {
    return {SharedBytes(std::to_string(chain)), {members, applied, term}};
  }
  void restore(const Snapshot& from) {
    applied = from.metadata.index;
    chain = std::stoull(std::string(from.data.view()));
    members = from.metadata.conf_state;
  }
};

struct Member {
  MemoryStorage disk;
  Index durable_commit;
  std::unique_ptr<RawNode> node;
  Machine machine;
  Invariants invariants;
  std::deque<Message> append_work;
  std::deque<Message> apply_work;
  bool up = true;
};

class RandomCluster {
 public:
  explicit RandomCluster(uint64_t seed) : random_(seed), check_quorum_(random_.chance(1, 2)) {
    for (size_t i = 0; i < kMembers; ++i) {
      members_.push_back(std::make_unique<Member>());
      Member& member = *members_.back();
      if (i < kFounders) {
        for (uint64_t id = 1; id <= kFounders; ++id) member.machine.members.voters.emplace_back(id);
        EXPECT_TRUE(member.disk.apply_snapshot(member.machine.snapshot(Term(1))));
        member.disk.set_hard_state({Term(1), kNone, Index(1)});
        member.durable_commit = Index(1);
      } else {
        member.machine.applied = Index(0);
      }
      settings_.push_back({.pre_vote = random_.chance(1, 2), .async = random_.chance(1, 2)});
      start(i);
    }
  }

  void trouble(int steps) {
    for (int step = 0; step < steps && !failed_; ++step) one_step();
  }

  // Liveness: without trouble, all voters agree within a bound.
  void heal() {
    for (size_t i = 0; i < kMembers; ++i) {
      if (!members_[i]->up) start(i);
    }
    for (int round = 0; round < 2000 && !failed_; ++round) {
      for (size_t i = 0; i < kMembers; ++i) {
        if (round % 10 == 0) members_[i]->node->tick();
        work(i, 1000);
      }
      deliver_everything();
      const size_t leader = leader_index();
      if (leader == kMembers || failed_) continue;
      if (round % 50 == 0) (void)members_[leader]->node->propose(SharedBytes("end"));
      // A newcomer needs a snapshot that knows of it.
      if (round % 100 == 98) compact(leader);
      for (const auto& [id, progress] : members_[leader]->node->raft().tracker().progress) {
        // A real transport would have told of a snapshot that was lost.
        if (progress.state == ProgressState::snapshot && round % 100 == 99)
          members_[leader]->node->report_snapshot(id, SnapshotStatus::failed);
      }
      if (round > 300 && agreed(leader)) return;
    }
    if (!failed_) ADD_FAILURE() << "no agreement after the trouble ended\n" << description();
  }

  bool failed() const { return failed_; }
  uint64_t committed() const { return cluster_.committed().value; }
  int elections() const { return elections_; }

 private:
  struct Settings {
    bool pre_vote;
    bool async;
  };

  MemberId id_of(size_t i) const { return MemberId(i + 1); }

  void start(size_t i) {
    Member& member = *members_[i];
    member.append_work.clear();
    member.apply_work.clear();
    const Snapshot& snapshot = **member.disk.snapshot();
    if (!snapshot.empty()) member.machine.restore(snapshot);
    Config config;
    config.id = id_of(i);
    config.storage = &member.disk;
    config.logger = &logger_;
    config.random_seed = random_.next();
    config.applied = snapshot.metadata.index;
    config.async_storage_writes = settings_[i].async;
    config.pre_vote = settings_[i].pre_vote;
    config.check_quorum = check_quorum_;
    config.max_size_per_message = 100;
    config.max_inflight_messages = 3;
    config.max_committed_size_per_ready = 200;
    config.max_uncommitted_entries_size = 2000;
    member.node = std::make_unique<RawNode>(config);
    member.invariants.restarted();
    member.up = true;
  }

  void check(size_t i) {
    absl::Status status = members_[i]->invariants.check(members_[i]->node->raft());
    if (status.ok()) status = cluster_.check(members_[i]->node->raft());
    if (!status.ok()) {
      ADD_FAILURE() << status;
      failed_ = true;
    }
  }

  void one_step() {
    const size_t i = random_.below(kMembers);
    Member& member = *members_[i];
    if (!member.up) {
      if (random_.chance(1, 20)) start(i);
      return;
    }
    switch (random_.below(12)) {
      case 0:
        member.node->tick();
        break;
      case 1:
      case 2:
        propose(i);
        break;
      case 3:
        if (random_.chance(1, 60)) {
          member.up = false;  // what is still to be written is lost
          return;
        }
        break;
      case 4:
        if (random_.chance(1, 10)) change_members(i);
        break;
      case 5:
        if (random_.chance(1, 10)) compact(i);
        break;
      case 6:
        nudge(i);
        break;
      default:
        deliver_one();
        break;
    }
    if (failed_) return;
    check(i);
    work(i, random_.below(3));
  }

  void propose(size_t i) {
    const std::string data = std::to_string(++proposals_) + std::string(random_.below(60), 'x');
    (void)members_[i]->node->propose(SharedBytes(data));
  }

  void nudge(size_t i) {
    RawNode& node = *members_[i]->node;
    const MemberId other = id_of(random_.below(kMembers));
    switch (random_.below(20)) {
      case 0:
        node.transfer_leader(other);
        break;
      case 1:
        (void)node.forget_leader();
        break;
      case 2:
        (void)node.campaign();
        break;
      case 3:
        node.report_unreachable(other);
        break;
      case 4:
        node.report_snapshot(other, SnapshotStatus::failed);
        break;
      case 5:
        node.read_index(SharedBytes("read"));
        break;
      default:
        break;
    }
  }

  void change_members(size_t i) {
    if (members_[i]->node->state() != StateType::leader) return;
    ConfChangeV2 change;
    for (uint64_t n = random_.below(3); n > 0; --n) {
      // Voter 1 is never touched: somebody must be left.
      change.changes.push_back({static_cast<ConfChangeType>(random_.below(4)),
                                MemberId(2 + random_.below(kMembers - 1))});
    }
    change.transition = static_cast<ConfChangeTransition>(random_.below(3));
    if (change.changes.empty()) change.transition = ConfChangeTransition::automatic;
    (void)members_[i]->node->propose_conf_change(change);
  }

  // A snapshot may not be ahead of the commit index that the disk knows: a restart would find a log
  // that begins behind what it believes to be committed.
  void compact(size_t i) {
    Member& member = *members_[i];
    const Index at = member.machine.applied;
    if (at > member.durable_commit || at > member.disk.last_index() ||
        at <= (*member.disk.snapshot())->metadata.index) {
      return;
    }
    const Snapshot made = member.machine.snapshot(*member.disk.term(at));
    EXPECT_TRUE(member.disk.create_snapshot(at, &made.metadata.conf_state, made.data).ok());
    const Index keep = at - std::min(at.value, random_.below(5));
    if (keep >= member.disk.first_index()) (void)member.disk.compact(keep);
  }

  // Readys, and so many pieces of storage work.
  void work(size_t i, uint64_t pieces) {
    Member& member = *members_[i];
    if (member.node->has_ready()) {
      Ready ready = member.node->ready();
      if (ready.soft_state && ready.soft_state->state == StateType::leader) ++elections_;
      if (settings_[i].async) {
        for (Message& m : ready.messages) {
          if (m.to == kLocalAppendThread) {
            member.append_work.push_back(std::move(m));
          } else if (m.to == kLocalApplyThread) {
            member.apply_work.push_back(std::move(m));
          } else {
            network_.push_back(std::move(m));
          }
        }
      } else {
        write(member, ready.hard_state.value_or(HardState{}), ready.entries, ready.snapshot);
        for (Message& m : ready.messages) network_.push_back(std::move(m));
        apply(i, ready.committed_entries);
        member.node->advance();
      }
      check(i);
    }
    for (; pieces > 0 && !failed_; --pieces) {
      const bool append =
          !member.append_work.empty() && (member.apply_work.empty() || random_.chance(1, 2));
      std::deque<Message>& queue = append ? member.append_work : member.apply_work;
      if (queue.empty()) return;
      Message m = std::move(queue.front());
      queue.pop_front();
      if (append) {
        write(member, {m.term, m.vote, m.commit}, m.entries, m.snapshot);
      } else {
        apply(i, m.entries);
      }
      for (Message& response : m.responses) {
        if (response.to == id_of(i)) {
          (void)member.node->step(std::move(response));
          check(i);
        } else {
          network_.push_back(std::move(response));
        }
      }
    }
  }

  static void write(Member& member, const HardState& state, const Entries& entries,
                    const std::shared_ptr<const Snapshot>& snapshot) {
    if (!state.empty()) {
      member.disk.set_hard_state(state);
      member.durable_commit = state.commit;
    }
    if (snapshot) {
      EXPECT_TRUE(member.disk.apply_snapshot(*snapshot));
      member.machine.restore(*snapshot);
    }
    member.disk.append(entries);
  }

  void apply(size_t i, const Entries& entries) {
    Member& member = *members_[i];
    for (const Entry& entry : entries) {
      // A snapshot may have overtaken the work of the apply thread.
      if (entry.index <= member.machine.applied) continue;
      ASSERT_EQ(entry.index, member.machine.applied + 1);
      member.machine.apply(entry);
      if (entry.type != EntryType::normal) {
        const auto change = conf_change_of(entry);
        ASSERT_TRUE(change.ok());
        member.machine.members = change_if_allowed(member, *change, entry.index);
      }
      const auto [at, fresh] = chains_.emplace(entry.index, member.machine.chain);
      ASSERT_EQ(at->second, member.machine.chain) << "states differ at " << entry.index;
    }
  }

  // As etcd does: a change that is not allowed when it is applied has no effect. All members see it
  // the same way.
  static ConfState change_if_allowed(Member& member, const ConfChangeV2& change, Index at) {
    const Raft& raft = member.node->raft();
    const Changer changer(raft.tracker(), raft.log().last_index());
    const JointEntry entry = joint_entry(change);
    const auto next = leaves_joint(change) ? changer.leave_joint()
                      : entry == JointEntry::none
                          ? changer.simple(change.changes)
                          : changer.enter_joint(Changer::AutoLeave::no, change.changes);
    return next.ok() ? member.node->apply_conf_change(change, at)
                     : conf_state(raft.tracker().config);
  }

  void deliver_one() {
    if (network_.empty()) return;
    const size_t at = random_.chance(2, 3) ? 0 : random_.below(network_.size());
    Message m = network_[at];
    if (!random_.chance(1, 20))
      network_.erase(network_.begin() + static_cast<long>(at));  // or again
    if (random_.chance(1, 10)) return;                           // lost
    deliver(std::move(m));
    // A queue that only grows would leave every message out of date.
    if (network_.size() > 200) network_.erase(network_.begin(), network_.begin() + 50);
  }

  void deliver(Message m) {
    const size_t to = m.to.value - 1;
    Member& member = *members_[to];
    if (!member.up) return;
    // Over the wire, as between real members.
    absl::StatusOr<Message> read = decode_message(encoded(m));
    ASSERT_TRUE(read.ok());
    (void)member.node->step(*std::move(read));
    check(to);
  }

  void deliver_everything() {
    std::deque<Message> all;
    all.swap(network_);
    for (Message& m : all) {
      if (failed_) return;
      deliver(std::move(m));
    }
  }

  std::string description() const {
    std::string out;
    for (size_t i = 0; i < kMembers; ++i) {
      const Status status = members_[i]->node->status();
      out += to_json(status) + " " + describe(status.config) + " " +
             describe(members_[i]->node->raft().log()) + "\n" + describe(status.progress);
    }
    return out;
  }

  size_t leader_index() const {
    size_t found = kMembers;
    for (size_t i = 0; i < kMembers; ++i) {
      const RawNode& node = *members_[i]->node;
      if (node.state() != StateType::leader) continue;
      if (found == kMembers || node.term() > members_[found]->node->term()) found = i;
    }
    return found;
  }

  bool agreed(size_t leader) const {
    const RawNode& lead = *members_[leader]->node;
    if (lead.applied() != lead.raft().log().last_index()) return false;
    for (const auto& [id, progress] : lead.raft().tracker().progress) {
      const Member& member = *members_[id.value - 1];
      if (member.node->applied() != lead.applied() ||
          member.machine.chain != members_[leader]->machine.chain) {
        return false;
      }
      const ConfState ours = conf_state(member.node->raft().tracker().config);
      EXPECT_TRUE(ours == conf_state(lead.raft().tracker().config)) << describe(ours);
      EXPECT_TRUE(ours == member.machine.members) << describe(ours);
    }
    return true;
  }

  Random random_;
  SilentLogger logger_;
  // The same for all: a member without it that has a high term and a short log could be stuck among
  // others with it.
  const bool check_quorum_;
  std::vector<Settings> settings_;
  std::vector<std::unique_ptr<Member>> members_;
  std::deque<Message> network_;
  ClusterInvariants cluster_;
  std::map<Index, uint64_t> chains_;
  uint64_t proposals_ = 0;
  int elections_ = 0;
  bool failed_ = false;
};

TEST(RandomCluster, KeepsItsPromisesUnderTrouble) {
  uint64_t committed = 0;
  int elections = 0;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    RandomCluster cluster(seed);
    cluster.trouble(4000);
    cluster.heal();
    ASSERT_FALSE(cluster.failed() || testing::Test::HasFailure());
    committed += cluster.committed();
    elections += cluster.elections();
  }
  // The runs are worth something: entries get committed and leaders change.
  EXPECT_GT(committed, 60u * 20);
  EXPECT_GT(elections, 60 * 3);
}

}  // namespace
}  // namespace holdfast::raft
