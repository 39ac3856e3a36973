#include "raft-transcript/interaction.h"

#include <algorithm>
#include <array>

#include "fmt/format.h"
#include "raft/codec.h"
#include "raft/describe.h"

namespace holdfast::transcript {

using raft::Message;
using raft::MessageType;
using raft::Snapshot;

namespace {

constexpr std::array<std::string_view, 6> kLevels = {"DEBUG", "INFO",  "WARN",
                                                     "ERROR", "FATAL", "NONE"};

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

// Sent by a node to itself or its threads: such messages are never lost.
bool is_local(const Message& m) {
  return m.from == m.to || raft::is_local_target(m.from) || raft::is_local_target(m.to);
}

}  // namespace

void Output::write(raft::LogLevel level, std::string_view line) {
  if (enabled(level)) text_ += fmt::format("{} {}\n", kLevels[static_cast<size_t>(level)], line);
}

void Output::indented(absl::FunctionRef<void()> body) {
  std::string outer;
  outer.swap(text_);
  body();
  for (std::string_view rest = text_; !rest.empty();) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    outer += fmt::format("  {}\n", rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  text_ = std::move(outer);
}

absl::Status Output::set_level(std::string_view name) {
  for (size_t i = 0; i < kLevels.size(); ++i) {
    if (upper(name) != kLevels[i]) continue;
    level_ = static_cast<int>(i);
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      fmt::format("log levels must be either of [{}]", fmt::join(kLevels, " ")));
}

absl::Status Interaction::add_nodes(int count, const raft::Config& config,
                                    const Snapshot& snapshot) {
  const bool bootstrap = !(snapshot == Snapshot{});
  Snapshot first = snapshot;
  for (int i = 0; i < count; ++i) {
    auto storage = std::make_unique<Storage>();
    if (bootstrap) {
      if (first.metadata.index <= Index(1))
        return absl::InvalidArgumentError("index must be specified as > 1 due to bootstrap");
      first.metadata.term = Term(1);
      if (!storage->apply_snapshot(first)) {
        return absl::InvalidArgumentError(
            std::string(text(raft::StorageError::snapshot_out_of_date)));
      }
    }
    storage->history.push_back(std::make_shared<const Snapshot>(first));
    raft::Config own = config;
    own.id = MemberId(nodes_.size() + 1);
    own.storage = storage.get();
    own.logger = &output_;
    own.random_seed = own.id.value;
    if (absl::Status status = own.validate(); !status.ok()) return status;
    nodes_.push_back(std::make_unique<Node>(std::move(storage), own));
  }
  return absl::OkStatus();
}

absl::Status Interaction::append(Node& node, const raft::HardState& state,
                                 const raft::Entries& entries,
                                 const std::shared_ptr<const Snapshot>& snapshot) {
  if (!state.empty()) node.storage->set_hard_state(state);
  if (snapshot && !snapshot->empty()) {
    if (!entries.empty())
      return absl::InvalidArgumentError("can't apply snapshot and entries at the same time");
    if (!node.storage->apply_snapshot(*snapshot)) {
      return absl::InvalidArgumentError(
          std::string(text(raft::StorageError::snapshot_out_of_date)));
    }
    return absl::OkStatus();
  }
  node.storage->append(entries);
  return absl::OkStatus();
}

absl::Status Interaction::apply(Node& node, const raft::Entries& entries) {
  for (const raft::Entry& entry : entries) {
    const Snapshot& before = *node.storage->history.back();
    Snapshot after;
    SharedBytes update = entry.data;
    after.metadata.conf_state = before.metadata.conf_state;
    if (entry.type != raft::EntryType::normal) {
      const absl::StatusOr<raft::ConfChangeV2> change = raft::conf_change_of(entry);
      if (!change.ok()) return change.status();
      update = change->context;
      after.metadata.conf_state = node.raw.apply_conf_change(*change, entry.index);
    }
    after.metadata.index = entry.index;
    after.metadata.term = entry.term;
    after.data = SharedBytes::concat(before.data.view(), update.view());
    node.storage->history.push_back(std::make_shared<const Snapshot>(std::move(after)));
  }
  return absl::OkStatus();
}

absl::Status Interaction::process_ready(size_t i) {
  Node& node = *nodes_[i];
  const bool async = node.config.async_storage_writes;
  raft::Ready ready = node.raw.ready();
  output_.print(describe(ready));
  if (!async) {
    absl::Status status =
        append(node, ready.hard_state.value_or(raft::HardState{}), ready.entries, ready.snapshot);
    if (status.ok()) status = apply(node, ready.committed_entries);
    if (!status.ok()) return status;
  }
  for (Message& message : ready.messages) {
    if (message.to == raft::kLocalAppendThread) {
      node.append_work.push_back(std::move(message));
    } else if (message.to == raft::kLocalApplyThread) {
      node.apply_work.push_back(std::move(message));
    } else {
      messages_.push_back(std::move(message));
    }
  }
  if (!async) node.raw.advance();
  return absl::OkStatus();
}

void Interaction::print_work(const Message& work) {
  output_.print("Processing:\n" + describe(work) + "\n");
}

void Interaction::answer(std::vector<Message> responses) {
  output_.print("Responses:\n");
  for (Message& response : responses) {
    output_.print(describe(response) + "\n");
    messages_.push_back(std::move(response));
  }
}

absl::Status Interaction::process_append_thread(size_t i) {
  Node& node = *nodes_[i];
  if (node.append_work.empty()) {
    output_.print("no append work to perform");
    return absl::OkStatus();
  }
  Message work = std::move(node.append_work.front());
  node.append_work.pop_front();
  std::vector<Message> responses;
  responses.swap(work.responses);
  print_work(work);
  const absl::Status status =
      append(node, {work.term, work.vote, work.commit}, work.entries, work.snapshot);
  if (!status.ok()) return status;
  answer(std::move(responses));
  return absl::OkStatus();
}

absl::Status Interaction::process_apply_thread(size_t i) {
  Node& node = *nodes_[i];
  if (node.apply_work.empty()) {
    output_.print("no apply work to perform");
    return absl::OkStatus();
  }
  Message work = std::move(node.apply_work.front());
  node.apply_work.pop_front();
  std::vector<Message> responses;
  responses.swap(work.responses);
  print_work(work);
  if (absl::Status status = apply(node, work.entries); !status.ok()) return status;
  answer(std::move(responses));
  return absl::OkStatus();
}

std::vector<Message> Interaction::take_messages(MemberId to, std::optional<MessageType> type,
                                                bool drop) {
  std::vector<Message> taken;
  std::vector<Message> rest;
  for (Message& m : messages_) {
    const bool take = m.to == to && !(drop && is_local(m)) && (!type || m.type == *type);
    (take ? taken : rest).push_back(std::move(m));
  }
  messages_ = std::move(rest);
  return taken;
}

bool Interaction::has_messages(MemberId to) const {
  return std::any_of(messages_.begin(), messages_.end(),
                     [to](const Message& m) { return m.to == to; });
}

int Interaction::deliver(std::optional<MessageType> type,
                         const std::vector<Recipient>& recipients) {
  int count = 0;
  for (const Recipient& recipient : recipients) {
    for (Message& message : take_messages(recipient.id, type, recipient.drop)) {
      ++count;
      output_.print((recipient.drop ? "dropped: " : "") + describe(message) + "\n");
      if (recipient.drop || recipient.id.value == 0 || recipient.id.value > size()) continue;
      const raft::StepResult result = node(recipient.id.value - 1).step(std::move(message));
      if (result != raft::StepResult::ok) output_.print(fmt::format("{}\n", text(result)));
    }
  }
  return count;
}

absl::Status Interaction::under_heading(size_t i, std::string_view what,
                                        absl::FunctionRef<absl::Status(size_t)> body) {
  output_.print(fmt::format("> {} {}\n", i + 1, what));
  absl::Status status;
  output_.indented([&] { status = body(i); });
  return status;
}

// False if nothing happened.
absl::StatusOr<bool> Interaction::stabilize_round(const std::vector<size_t>& nodes) {
  bool busy = false;
  for (size_t i : nodes) {
    if (!node(i).has_ready()) continue;
    busy = true;
    const absl::Status status =
        under_heading(i, "handling Ready", [this](size_t n) { return process_ready(n); });
    if (!status.ok()) return status;
  }
  for (size_t i : nodes) {
    const MemberId id(i + 1);
    if (!has_messages(id)) continue;
    busy = true;
    (void)under_heading(i, "receiving messages", [&](size_t) {
      deliver(std::nullopt, {{id, false}});
      return absl::OkStatus();
    });
  }
  for (size_t i : nodes) {
    std::deque<Message>& work = nodes_[i]->append_work;
    if (work.empty()) continue;
    busy = true;
    output_.print(fmt::format("> {} processing append thread\n", i + 1));
    while (!work.empty()) {
      absl::Status status;
      output_.indented([&] { status = process_append_thread(i); });
      if (!status.ok()) return status;
    }
  }
  for (size_t i : nodes) {
    std::deque<Message>& work = nodes_[i]->apply_work;
    if (work.empty()) continue;
    busy = true;
    output_.print(fmt::format("> {} processing apply thread\n", i + 1));
    while (!work.empty()) {
      absl::Status status;
      output_.indented([&] { status = process_apply_thread(i); });
      if (!status.ok()) return status;
    }
  }
  return busy;
}

absl::Status Interaction::stabilize(const std::vector<size_t>& nodes) {
  for (int round = 0; round < kMaxRounds; ++round) {
    const absl::StatusOr<bool> busy = stabilize_round(nodes);
    if (!busy.ok()) return busy.status();
    if (!*busy) return absl::OkStatus();
  }
  return absl::ResourceExhaustedError("the cluster does not come to rest");
}

absl::Status Interaction::compact(size_t i, Index index) {
  Storage& storage = *nodes_[i]->storage;
  if (index > storage.last_index())
    return absl::OutOfRangeError(fmt::format("compact {} is out of bound lastindex({})",
                                             index.value, storage.last_index().value));
  if (!storage.compact(index))
    return absl::OutOfRangeError(std::string(text(raft::StorageError::compacted)));
  print_log(i);
  return absl::OkStatus();
}

void Interaction::print_log(size_t i) {
  const Storage& storage = *nodes_[i]->storage;
  const Index first = storage.first_index();
  const Index last = storage.last_index();
  if (last < first) {
    output_.print(
        fmt::format("log is empty: first index={}, last index={}", first.value, last.value));
    return;
  }
  output_.print(describe(*storage.entries(first, last + 1, raft::kNoLimit)));
}

void Interaction::print_states() {
  for (const auto& node : nodes_) {
    const raft::Status status = node->raw.status();
    output_.print(fmt::format("{}: {} {} Term:{} Lead:{}\n", status.id.value,
                              name(status.soft_state.state),
                              status.config.voters.contains(status.id) ? "(Voter)" : "(Non-Voter)",
                              status.hard_state.term.value, status.soft_state.lead.value));
  }
}

void Interaction::send_snapshot(size_t from, size_t to) {
  Message message;
  message.type = MessageType::snap;
  message.term = node(from).term();
  message.from = MemberId(from + 1);
  message.to = MemberId(to + 1);
  message.snapshot = nodes_[from]->storage->history.back();
  output_.print(describe(message));
  messages_.push_back(std::move(message));
}

}  // namespace holdfast::transcript
