// A cluster of raft nodes in memory, moved by hand: messages wait until they are delivered or
// dropped, Readys until they are processed, storage work until its thread is. Election tick 3,
// heartbeat tick 1; a state machine whose snapshot is all proposals joined together.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "raft/raw_node.h"

namespace holdfast::transcript {

// Everything a directive prints, raft's log lines among it.
class Output : public raft::Logger {
 public:
  static constexpr int kNone = 5;  // nothing at all is printed

  bool enabled(raft::LogLevel level) const override { return level_ <= static_cast<int>(level); }
  void write(raft::LogLevel level, std::string_view line) override;

  void print(std::string_view text) {
    if (!quiet()) text_ += text;
  }
  // What `body` prints, each line moved right by two spaces.
  void indented(absl::FunctionRef<void()> body);

  bool quiet() const { return level_ == kNone; }
  int level() const { return level_; }
  void set_level(int level) { level_ = level; }
  // By name, in any case.
  absl::Status set_level(std::string_view name);

  void clear() { text_.clear(); }
  const std::string& text() const { return text_; }

 private:
  int level_ = 0;
  std::string text_;
};

class Interaction {
 public:
  struct Recipient {
    MemberId id;
    bool drop = false;
  };

  Output& output() { return output_; }
  size_t size() const { return nodes_.size(); }

  // Nodes are counted from 0. config and snapshot are the same for all new nodes.
  absl::Status add_nodes(int count, const raft::Config& config, const raft::Snapshot& snapshot);
  raft::RawNode& node(size_t i) { return nodes_[i]->raw; }
  const raft::Config& config(size_t i) const { return nodes_[i]->config; }

  absl::Status process_ready(size_t i);
  absl::Status process_append_thread(size_t i);
  absl::Status process_apply_thread(size_t i);
  // Messages of `type` (all if absent) to the recipients. How many there were.
  int deliver(std::optional<raft::MessageType> type, const std::vector<Recipient>& recipients);
  // Readys, deliveries, append threads and apply threads of these nodes in turn, until nothing
  // happens.
  absl::Status stabilize(const std::vector<size_t>& nodes);
  absl::Status compact(size_t i, Index index);
  void print_log(size_t i);
  void print_states();
  void send_snapshot(size_t from, size_t to);

 private:
  // Snapshots come from the state machine, however short the log is.
  class Storage : public raft::MemoryStorage {
   public:
    raft::StorageResult<std::shared_ptr<const raft::Snapshot>> snapshot()
        const override {  // shared with its sender
      return history.back();
    }
    std::vector<std::shared_ptr<const raft::Snapshot>> history;  // one for each entry applied
  };

  struct Node {
    Node(std::unique_ptr<Storage> disk, const raft::Config& settings)
        : storage(std::move(disk)), config(settings), raw(settings) {}

    std::unique_ptr<Storage> storage;
    raft::Config config;
    raft::RawNode raw;
    std::deque<raft::Message> append_work;
    std::deque<raft::Message> apply_work;
  };

  // Bounds a cluster that never comes to rest.
  static constexpr int kMaxRounds = 100'000;

  absl::Status append(Node& node, const raft::HardState& state, const raft::Entries& entries,
                      const std::shared_ptr<const raft::Snapshot>& snapshot);
  absl::Status apply(Node& node, const raft::Entries& entries);
  absl::StatusOr<bool> stabilize_round(const std::vector<size_t>& nodes);
  absl::Status under_heading(size_t i, std::string_view what,
                             absl::FunctionRef<absl::Status(size_t)> body);
  std::vector<raft::Message> take_messages(MemberId to, std::optional<raft::MessageType> type,
                                           bool drop);
  bool has_messages(MemberId to) const;
  void print_work(const raft::Message& work);
  void answer(std::vector<raft::Message> responses);

  Output output_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::vector<raft::Message> messages_;  // on their way
};

}  // namespace holdfast::transcript
