// Raft nodes in memory with a network that can be cut, and invariants checked after every step.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "raft/codec.h"
#include "raft/invariants.h"
#include "raft/raw_node.h"

namespace holdfast::raft {

// Keeps lines for tests that look at them.
class RecordingLogger : public Logger {
 public:
  bool enabled(LogLevel) const override { return true; }
  void write(LogLevel, std::string_view line) override { lines.emplace_back(line); }
  bool has(std::string_view part) const {
    for (const std::string& line : lines) {
      if (line.find(part) != std::string::npos) return true;
    }
    return false;
  }
  std::vector<std::string> lines;
};

class Cluster {
 public:
  using Tune = std::function<void(Config&)>;

  struct Node;

  // With a snapshot of what is applied at any time, if asked to.
  class Disk : public MemoryStorage {
   public:
    explicit Disk(const Node& node) : node_(node) {}
    StorageResult<std::shared_ptr<const Snapshot>> snapshot() const override {
      if (!on_demand) return MemoryStorage::snapshot();
      Snapshot made;
      made.metadata = {node_.members, node_.raw->applied(), *term(node_.raw->applied())};
      return std::make_shared<const Snapshot>(std::move(made));
    }
    bool on_demand = false;

   private:
    const Node& node_;
  };

  struct Node {
    Disk storage{*this};
    RecordingLogger logger;
    std::unique_ptr<RawNode> raw;
    Invariants invariants;
    std::vector<std::string> applied;  // payloads of normal entries
    std::vector<ReadState> reads;
    ConfState members;
    Config config;
  };

  // Members 1..voters, then learners. Their log starts behind a snapshot at index 1 of term 1.
  explicit Cluster(size_t voters, size_t learners = 0, Tune tune = {}) : tune_(std::move(tune)) {
    ConfState state;
    for (size_t i = 1; i <= voters; ++i) state.voters.emplace_back(i);
    for (size_t i = voters + 1; i <= voters + learners; ++i) state.learners.emplace_back(i);
    for (size_t i = 1; i <= voters + learners; ++i) start(i, state);
  }

  // A member with this configuration; an empty one for a newcomer.
  void start(size_t id, const ConfState& state) {
    auto node = std::make_unique<Node>();
    Snapshot snapshot;
    snapshot.metadata = {state, Index(1), Term(1)};
    if (!state.voters.empty()) {
      EXPECT_TRUE(node->storage.apply_snapshot(snapshot));
      node->storage.set_hard_state({Term(1), kNone, Index(1)});
    }
    node->members = state;
    node->config.id = MemberId(id);
    node->config.storage = &node->storage;
    node->config.logger = &node->logger;
    node->config.random_seed = 7;
    if (tune_) tune_(node->config);
    node->raw = std::make_unique<RawNode>(node->config);
    nodes_[id] = std::move(node);
  }

  // As after a crash: what is stored stays, the state machine is gone.
  void restart(size_t id) {
    Node& node = at(id);
    node.applied.clear();
    node.raw = std::make_unique<RawNode>(node.config);
    node.invariants.restarted();
  }

  Node& at(size_t id) { return *nodes_.at(id); }
  RawNode& operator[](size_t id) { return *at(id).raw; }
  const Raft& raft(size_t id) { return at(id).raw->raft(); }

  void cut(size_t a, size_t b) {
    cut_.insert({a, b});
    cut_.insert({b, a});
  }
  void isolate(size_t id) {
    for (const auto& [other, node] : nodes_) {
      if (other != id) cut(id, other);
    }
  }
  void ignore(MessageType type) { ignored_.insert(type); }
  void heal() {
    cut_.clear();
    ignored_.clear();
  }

  // Everything that can happen without ticks, happens.
  void settle() {
    for (bool busy = true; busy;) {
      busy = false;
      for (const auto& [id, node] : nodes_) {
        while (node->raw->has_ready()) {
          busy = true;
          process(id);
        }
      }
      if (messages_.empty()) continue;
      busy = true;
      deliver_all();
    }
  }

  // What is on its way, but not what is sent meanwhile.
  void deliver_all() {
    std::deque<Message> messages;
    messages.swap(messages_);
    for (Message& m : messages) deliver(std::move(m));
  }

  // One Ready, carried out.
  Ready process(size_t id) {
    Node& node = at(id);
    Ready ready = node.raw->ready();
    if (ready.hard_state) node.storage.set_hard_state(*ready.hard_state);
    if (ready.snapshot) {
      EXPECT_TRUE(node.storage.apply_snapshot(*ready.snapshot));
      node.members = ready.snapshot->metadata.conf_state;
      node.applied = {"snapshot"};
    }
    node.storage.append(ready.entries);
    for (const Message& message : ready.messages) messages_.push_back(message);
    for (const Entry& entry : ready.committed_entries) apply(node, entry);
    for (const ReadState& read : ready.read_states) node.reads.push_back(read);
    node.raw->advance();
    check(id);
    return ready;
  }

  void deliver(Message m) {
    const size_t to = m.to.value;
    if (!nodes_.contains(to) || cut_.contains({m.from.value, to}) || ignored_.contains(m.type))
      return;
    (void)at(to).raw->step(std::move(m));
    check(to);
  }

  void check(size_t id) {
    absl::Status status = at(id).invariants.check(raft(id));
    ASSERT_TRUE(status.ok()) << status;
    status = cluster_.check(raft(id));
    ASSERT_TRUE(status.ok()) << status;
  }

  void elect(size_t id) {
    (void)at(id).raw->campaign();
    settle();
    ASSERT_EQ(at(id).raw->state(), StateType::leader);
  }
  StepResult propose(size_t id, std::string_view data) {
    const StepResult result = at(id).raw->propose(SharedBytes(data));
    settle();
    return result;
  }
  void put(size_t id, std::string_view data) { EXPECT_EQ(propose(id, data), StepResult::ok); }
  void tick(size_t id, int ticks = 1) {
    for (; ticks > 0; --ticks) at(id).raw->tick();
  }
  void tick_all(int ticks) {
    for (; ticks > 0; --ticks) {
      for (const auto& [id, node] : nodes_) node->raw->tick();
      settle();
    }
  }
  void set_timeouts(const std::map<size_t, int>& ticks) {
    for (const auto& [id, timeout] : ticks) at(id).raw->set_randomized_election_timeout(timeout);
  }
  size_t leader() {
    size_t found = 0;
    Term term;
    for (const auto& [id, node] : nodes_) {
      if (node->raw->state() != StateType::leader || node->raw->term() < term) continue;
      found = id;
      term = node->raw->term();
    }
    return found;
  }
  std::deque<Message>& messages() { return messages_; }

 private:
  static void apply(Node& node, const Entry& entry) {
    if (entry.type == EntryType::normal) {
      if (!entry.data.empty()) node.applied.emplace_back(entry.data.view());
      return;
    }
    const auto change = conf_change_of(entry);
    ASSERT_TRUE(change.ok());
    node.members = node.raw->apply_conf_change(*change, entry.index);
  }

  Tune tune_;
  std::map<size_t, std::unique_ptr<Node>> nodes_;
  std::deque<Message> messages_;
  std::set<std::pair<size_t, size_t>> cut_;
  std::set<MessageType> ignored_;
  ClusterInvariants cluster_;
};

using Strings = std::vector<std::string>;

inline Message message(MessageType type, uint64_t from, uint64_t to, Term term) {
  Message m;
  m.type = type;
  m.from = MemberId(from);
  m.to = MemberId(to);
  m.term = term;
  return m;
}

inline std::vector<Message> of_type(const std::vector<Message>& messages, MessageType type) {
  std::vector<Message> found;
  std::copy_if(messages.begin(), messages.end(), std::back_inserter(found),
               [type](const Message& m) { return m.type == type; });
  return found;
}

inline Cluster::Tune check_quorum() {
  return [](Config& config) { config.check_quorum = true; };
}
inline Cluster::Tune pre_vote() {
  return [](Config& config) {
    config.check_quorum = true;
    config.pre_vote = true;
  };
}

}  // namespace holdfast::raft
