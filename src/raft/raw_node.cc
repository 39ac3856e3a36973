#include "raft/raw_node.h"

#include <iterator>

#include "raft/codec.h"

namespace holdfast::raft {

bool must_sync(const HardState& now, const HardState& previous, size_t entries) {
  return entries != 0 || now.vote != previous.vote || now.term != previous.term;
}

RawNode::RawNode(const Config& config)
    : raft_(config),
      async_(config.async_storage_writes),
      previous_soft_state_(raft_.soft_state()),
      previous_hard_state_(raft_.hard_state()) {}

absl::Status RawNode::bootstrap(const std::vector<Peer>& peers) {
  if (peers.empty())
    return absl::InvalidArgumentError("must provide at least one peer to Bootstrap");
  if (raft_.log().storage().last_index() != Index(0))
    return absl::FailedPreconditionError("can't bootstrap a nonempty Storage");
  // Nothing of this is stored yet: the first Ready must say all of it.
  previous_hard_state_ = {};
  raft_.become_follower(Term(1), kNone);
  std::vector<Entry> entries;
  for (const Peer& peer : peers) {
    Entry entry = conf_change_entry(ConfChange{.node_id = peer.id, .context = peer.context});
    entry.term = Term(1);
    entry.index = Index(entries.size() + 1);
    entries.push_back(std::move(entry));
  }
  raft_.log().append(Entries(std::move(entries)));
  raft_.log().set_committed(Index(peers.size()));
  // Applied here so that the founders may campaign at once, and once more when the entries are.
  for (size_t i = 0; i < peers.size(); ++i)
    raft_.apply_conf_change(as_v2(ConfChange{.node_id = peers[i].id}), Index(i + 1));
  return absl::OkStatus();
}

StepResult RawNode::campaign() {
  Message message;
  message.type = MessageType::hup;
  return raft_.step(std::move(message));
}

StepResult RawNode::propose(SharedBytes data) {
  return propose(Entries{Entry{.data = std::move(data)}});
}

StepResult RawNode::propose(Entries entries) {
  CHECK(!entries.empty(), "empty proposal");
  Message message;
  message.type = MessageType::prop;
  message.from = raft_.id();
  message.entries = std::move(entries);
  return raft_.step(std::move(message));
}

StepResult RawNode::propose_conf_change(const ConfChange& change) {
  return propose(Entries{conf_change_entry(change)});
}

StepResult RawNode::propose_conf_change(const ConfChangeV2& change) {
  return propose(Entries{conf_change_entry(change)});
}

StepResult RawNode::step(Message message) {
  const bool from_storage = is_local_target(message.from);
  if (is_local_message(message.type) && !from_storage) return StepResult::local_message;
  if (is_response_message(message.type) && !from_storage &&
      !raft_.tracker().progress.contains(message.from)) {
    return StepResult::peer_not_found;
  }
  return raft_.step(std::move(message));
}

void RawNode::read_index(SharedBytes context) {
  Message message;
  message.type = MessageType::read_index;
  message.entries = {Entry{.data = std::move(context)}};
  (void)raft_.step(std::move(message));
}

void RawNode::transfer_leader(MemberId to) {
  Message message;
  message.type = MessageType::transfer_leader;
  message.from = to;
  (void)raft_.step(std::move(message));
}

StepResult RawNode::forget_leader() {
  Message message;
  message.type = MessageType::forget_leader;
  return raft_.step(std::move(message));
}

void RawNode::report_unreachable(MemberId id) {
  Message message;
  message.type = MessageType::unreachable;
  message.from = id;
  (void)raft_.step(std::move(message));
}

void RawNode::report_snapshot(MemberId id, SnapshotStatus status) {
  Message message;
  message.type = MessageType::snap_status;
  message.from = id;
  message.reject = status == SnapshotStatus::failed;
  (void)raft_.step(std::move(message));
}

bool RawNode::has_ready() const {
  const Log& log = raft_.log();
  const Raft::Outbox& outbox = raft_.outbox();
  if (!outbox.now.empty() || !outbox.after_append.empty() || !outbox.read_states.empty())
    return true;
  if (raft_.soft_state() != previous_soft_state_) return true;
  const HardState hard_state = raft_.hard_state();
  if (!hard_state.empty() && hard_state != previous_hard_state_) return true;
  return log.next_unstable_snapshot() != nullptr || log.has_next_unstable() ||
         log.has_next_committed(apply_unstable());
}

Ready RawNode::ready() {
  Log& log = raft_.log();
  Raft::Outbox& outbox = raft_.outbox();
  Ready ready;
  ready.entries = log.next_unstable();
  ready.committed_entries = log.next_committed(apply_unstable());
  ready.messages = std::move(outbox.now);
  ready.read_states = std::move(outbox.read_states);
  if (raft_.soft_state() != previous_soft_state_) ready.soft_state = raft_.soft_state();
  const HardState hard_state = raft_.hard_state();
  if (hard_state != previous_hard_state_) ready.hard_state = hard_state;
  ready.snapshot = log.next_unstable_snapshot();
  ready.must_sync = must_sync(hard_state, previous_hard_state_, ready.entries.size());
  if (async_) {
    add_storage_messages(ready);
  } else {
    split_messages_after_append(ready);
  }
  outbox.now.clear();
  outbox.after_append.clear();
  outbox.read_states.clear();
  accept(ready);
  return ready;
}

bool RawNode::needs_append(const Ready& ready) const {
  return !ready.entries.empty() || ready.hard_state || ready.snapshot ||
         !raft_.outbox().after_append.empty();
}

// Not only when the Ready has entries: an earlier response may have been ignored because of a new
// term, and then a later one must say that those entries are stable.
bool RawNode::needs_append_response(const Ready& ready) const {
  return raft_.log().has_unstable() || ready.snapshot;
}

// Carries the term: if it has changed when the write is done, writes of the later term may be
// replacing the same entries, and the response does not count. The index and term are those of the
// end of the log, which all writes so far make up.
Message RawNode::append_response(const Ready& ready) const {
  Message message;
  message.type = MessageType::storage_append_resp;
  message.to = raft_.id();
  message.from = kLocalAppendThread;
  message.term = raft_.term();
  if (raft_.log().has_unstable()) {
    const EntryId last = raft_.log().last_id();
    message.index = last.index;
    message.log_term = last.term;
  }
  message.snapshot = ready.snapshot;
  return message;
}

namespace {

Message apply_response(MemberId id, const Entries& entries) {
  Message message;
  message.type = MessageType::storage_apply_resp;
  message.to = id;
  message.from = kLocalApplyThread;
  message.entries = entries;
  return message;
}

}  // namespace

void RawNode::add_storage_messages(Ready& ready) {
  if (needs_append(ready)) {
    Message append;
    append.type = MessageType::storage_append;
    append.to = kLocalAppendThread;
    append.from = raft_.id();
    append.entries = ready.entries;
    if (ready.hard_state) {
      append.term = ready.hard_state->term;
      append.vote = ready.hard_state->vote;
      append.commit = ready.hard_state->commit;
    }
    append.snapshot = ready.snapshot;
    append.responses = std::move(raft_.outbox().after_append);
    // Last: while the entries are still unstable, a leader's own acknowledgement finds their terms
    // there.
    if (needs_append_response(ready)) append.responses.push_back(append_response(ready));
    ready.messages.push_back(std::move(append));
  }
  if (!ready.committed_entries.empty()) {
    Message apply;
    apply.type = MessageType::storage_apply;
    apply.to = kLocalApplyThread;
    apply.from = raft_.id();
    apply.entries = ready.committed_entries;
    apply.responses.push_back(apply_response(raft_.id(), ready.committed_entries));
    ready.messages.push_back(std::move(apply));
  }
}

// Messages are sent after the Ready is stored, so those that wait for it can simply go along; those
// to this node are stepped by advance().
void RawNode::split_messages_after_append(Ready& ready) {
  CHECK(steps_on_advance_.empty(), "two accepted Ready structs without call to Advance");
  for (Message& message : raft_.outbox().after_append) {
    auto& where = message.to == raft_.id() ? steps_on_advance_ : ready.messages;
    where.push_back(std::move(message));
  }
  if (needs_append_response(ready)) steps_on_advance_.push_back(append_response(ready));
  if (!ready.committed_entries.empty())
    steps_on_advance_.push_back(apply_response(raft_.id(), ready.committed_entries));
}

void RawNode::accept(const Ready& ready) {
  if (ready.soft_state) previous_soft_state_ = *ready.soft_state;
  if (ready.hard_state) previous_hard_state_ = *ready.hard_state;
  Log& log = raft_.log();
  log.accept_unstable();
  if (!ready.committed_entries.empty()) {
    log.accept_applying(ready.committed_entries.back().index, encoded_size(ready.committed_entries),
                        apply_unstable());
  }
}

void RawNode::advance() {
  CHECK(!async_, "Advance must not be called when using AsyncStorageWrites");
  std::vector<Message> steps;
  steps.swap(steps_on_advance_);
  for (Message& message : steps) (void)raft_.step(std::move(message));
}

BasicStatus RawNode::basic_status() const {
  return {.id = raft_.id(),
          .hard_state = raft_.hard_state(),
          .soft_state = raft_.soft_state(),
          .applied = raft_.log().applied(),
          .lead_transferee = raft_.lead_transferee()};
}

Status RawNode::status() const {
  Status status{basic_status(), raft_.tracker().config, {}};
  if (raft_.state() == StateType::leader) status.progress = raft_.tracker().progress;
  return status;
}

void RawNode::visit_progress(absl::FunctionRef<void(MemberId, const Progress&)> visit) const {
  for (const auto& [id, progress] : raft_.tracker().progress) visit(id, progress);
}

}  // namespace holdfast::raft
