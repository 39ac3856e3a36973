// The raft core alone, in memory: entries a second through one member and through three, by entries
// in a proposal. For comparison with itself over time (docs/benchmarks.md): no disk, no network,
// one thread.
#include <deque>
#include <memory>
#include <vector>

#include "base/check.h"
#include "benchmark/benchmark.h"
#include "raft/raw_node.h"

namespace holdfast::raft {
namespace {

constexpr size_t kPayloadBytes = 128;
// As etcd's members keep behind what is applied, for followers that lag.
constexpr uint64_t kCatchUpEntries = 5000;

class SilentLogger : public Logger {
 public:
  bool enabled(LogLevel) const override { return false; }
  void write(LogLevel, std::string_view) override {}
};

struct Member {
  Member(uint64_t id, size_t members, SilentLogger& logger) {
    Snapshot snapshot;
    for (uint64_t i = 1; i <= members; ++i) snapshot.metadata.conf_state.voters.emplace_back(i);
    snapshot.metadata.index = Index(1);
    snapshot.metadata.term = Term(1);
    CHECK(storage.apply_snapshot(snapshot));
    storage.set_hard_state({Term(1), kNone, Index(1)});
    Config config;
    config.id = MemberId(id);
    config.storage = &storage;
    config.logger = &logger;
    config.applied = Index(1);
    config.async_storage_writes = true;
    config.check_quorum = true;
    config.pre_vote = true;
    node = std::make_unique<RawNode>(config);
  }

  MemoryStorage storage;
  std::unique_ptr<RawNode> node;
  uint64_t applied = 0;
};

// Everything happens at once: the disk and the network cost nothing.
class Cluster {
 public:
  explicit Cluster(size_t members) {
    for (uint64_t id = 1; id <= members; ++id)
      members_.push_back(std::make_unique<Member>(id, members, logger_));
    CHECK(members_[0]->node->campaign() == StepResult::ok);
    settle();
    CHECK(members_[0]->node->state() == StateType::leader);
  }

  void propose(const Entries& entries) {
    CHECK(members_[0]->node->propose(entries) == StepResult::ok);
  }

  void settle() {
    for (bool busy = true; busy;) {
      busy = false;
      for (auto& member : members_) {
        while (member->node->has_ready()) {
          busy = true;
          process(*member);
        }
      }
      while (!messages_.empty()) {
        Message m = std::move(messages_.front());
        messages_.pop_front();
        (void)members_[m.to.value - 1]->node->step(std::move(m));
      }
    }
  }

  uint64_t applied() const { return members_[0]->applied; }

 private:
  void process(Member& member) {
    Ready ready = member.node->ready();
    for (Message& m : ready.messages) {
      if (m.to == kLocalAppendThread) {
        if (m.term != Term(0)) member.storage.set_hard_state({m.term, m.vote, m.commit});
        member.storage.append(m.entries);
        answer(m);
      } else if (m.to == kLocalApplyThread) {
        member.applied += m.entries.size();
        const Index last = m.entries.back().index;
        answer(m);
        if (last > member.storage.first_index() + 2 * kCatchUpEntries)
          CHECK(member.storage.compact(last - kCatchUpEntries));
      } else {
        messages_.push_back(std::move(m));
      }
    }
  }

  void answer(Message& work) {
    for (Message& response : work.responses) messages_.push_back(std::move(response));
  }

  SilentLogger logger_;
  std::vector<std::unique_ptr<Member>> members_;
  std::deque<Message> messages_;
};

void run(benchmark::State& state, size_t members) {
  Cluster cluster(members);
  const auto batch = static_cast<size_t>(state.range(0));
  const std::string payload(kPayloadBytes, 'x');
  for (auto _ : state) {
    std::vector<Entry> entries(batch);
    for (Entry& entry : entries) entry.data = SharedBytes(payload);
    cluster.propose(Entries(std::move(entries)));
    cluster.settle();
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * batch));
  CHECK(cluster.applied() >= static_cast<uint64_t>(state.iterations()) * batch);
}

void one_member(benchmark::State& state) { run(state, 1); }
void three_members(benchmark::State& state) { run(state, 3); }
void five_members(benchmark::State& state) { run(state, 5); }

// Proposals one at a time, with a Ready for many of them.
void single_proposals_three_members(benchmark::State& state) {
  Cluster cluster(3);
  const std::string payload(kPayloadBytes, 'x');
  const auto batch = static_cast<size_t>(state.range(0));
  for (auto _ : state) {
    for (size_t i = 0; i < batch; ++i) cluster.propose({Entry{.data = SharedBytes(payload)}});
    cluster.settle();
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * batch));
}

BENCHMARK(one_member)->Arg(1)->Arg(16)->Arg(256)->Arg(1024);
BENCHMARK(three_members)->Arg(1)->Arg(16)->Arg(256)->Arg(1024);
BENCHMARK(five_members)->Arg(256);
BENCHMARK(single_proposals_three_members)->Arg(64);

}  // namespace
}  // namespace holdfast::raft

BENCHMARK_MAIN();
