// What a leader does: append, replicate, count acknowledgements (Raft 5.3; thesis 3.5, 10.2.1).
#include <algorithm>

#include "raft/codec.h"
#include "base/mutant.h"
#include "raft/describe.h"
#include "raft/raft.h"

namespace holdfast::raft {

StepResult Raft::step_leader(Message& m) {
  switch (m.type) {
    case MessageType::beat:
      broadcast_heartbeat();
      return StepResult::ok;
    case MessageType::check_quorum:
      check_quorum_active();
      return StepResult::ok;
    case MessageType::prop:
      return handle_proposal(m);
    case MessageType::read_index:
      handle_read_index(std::move(m));
      return StepResult::ok;
    case MessageType::forget_leader:
      return StepResult::ok;
    default:
      break;
  }
  Progress* progress = tracker_.progress.find(m.from);
  if (progress == nullptr) {
    logger_.debug("{:x} no progress available for {:x}", id_.value, m.from.value);
    return StepResult::ok;
  }
  switch (m.type) {
    case MessageType::app_resp:
      handle_append_response(m, *progress);
      break;
    case MessageType::heartbeat_resp:
      handle_heartbeat_response(m, *progress);
      break;
    case MessageType::snap_status:
      handle_snapshot_status(m, *progress);
      break;
    case MessageType::unreachable:
      handle_unreachable(m, *progress);
      break;
    case MessageType::transfer_leader:
      handle_transfer_leader(m, *progress);
      break;
    default:
      break;
  }
  return StepResult::ok;
}

void Raft::check_quorum_active() {
  if (!tracker_.quorum_active()) {
    logger_.warning("{:x} stepped down to follower since quorum is not active", id_.value);
    become_follower(term_, kNone);
  }
  for (auto& [id, progress] : tracker_.progress) {
    if (id != id_) progress.recent_active = false;
  }
}

StepResult Raft::handle_proposal(Message& m) {
  if (m.entries.empty()) return StepResult::proposal_dropped;
  // Removed while leading.
  if (!tracker_.progress.contains(id_)) return StepResult::proposal_dropped;
  if (leader_->transferee != kNone) {
    logger_.debug("{:x} [term {}] transfer leadership to {:x} is in progress; dropping proposal",
                  id_.value, term_.value, leader_->transferee.value);
    return StepResult::proposal_dropped;
  }
  const bool plain = std::all_of(m.entries.begin(), m.entries.end(), [](const Entry& entry) {
    return entry.type == EntryType::normal;
  });
  if (!plain && !admit_conf_changes(m)) return StepResult::proposal_dropped;
  if (!append_entries(m.entries)) return StepResult::proposal_dropped;
  broadcast_append();
  return StepResult::ok;
}

// RAL-13: at most one change may be in the log and not applied; a joint configuration is left
// before the next one is entered. Changes that may not be made become empty entries. False: one of
// them cannot be read.
bool Raft::admit_conf_changes(Message& m) {
  std::vector<Entry> entries(m.entries.begin(), m.entries.end());
  for (size_t i = 0; i < entries.size(); ++i) {
    if (entries[i].type == EntryType::normal) continue;
    const absl::StatusOr<ConfChangeV2> change = conf_change_of(entries[i]);
    if (!change.ok()) {
      logger_.warning("{:x} dropping a proposal from {:x}: {}", id_.value, m.from.value,
                      std::string(change.status().message()));
      return false;
    }
    const std::string refusal = conf_change_refusal(*change);
    if (!refusal.empty() && !config_.disable_conf_change_validation) {
      logger_.info("{:x} ignoring conf change {} at config {}: {}", id_.value, describe(*change),
                   describe(tracker_.config), refusal);
      entries[i] = Entry{.type_stands = true};
    } else {
      leader_->pending_conf_index = log_.last_index() + i + 1;
    }
  }
  m.entries = Entries(std::move(entries));
  return true;
}

std::string Raft::conf_change_refusal(const ConfChangeV2& change) const {
  if (leader_->pending_conf_index > log_.applied()) {
    return fmt::format("possible unapplied conf change at index {} (applied to {})",
                       leader_->pending_conf_index.value, log_.applied().value);
  }
  const bool leaves = change.changes.empty();
  if (tracker_.config.joint() && !leaves) return "must transition out of joint config first";
  if (!tracker_.config.joint() && leaves) return "not in joint state; refusing empty conf change";
  return "";
}

// False: too much is uncommitted already.
bool Raft::append_entries(const Entries& entries) {
  if (!increase_uncommitted_size(payload_size(entries))) {
    logger_.warning(
        "{:x} appending new entries to log would exceed uncommitted entry size limit; dropping "
        "proposal",
        id_.value);
    return false;
  }
  const Index last = log_.append_proposals(entries, term_);
  // The leader's own acknowledgement; it counts when the entries are durable.
  send({.type = MessageType::app_resp, .to = id_, .index = last});
  return true;
}

// Empty payloads are never refused (a new leader's first entry, leaving a joint configuration), nor
// is the first of any size.
bool Raft::increase_uncommitted_size(uint64_t payload) {
  const uint64_t before = leader_->uncommitted_size;
  if (before > 0 && payload > 0 && before + payload > config_.max_uncommitted_entries_size)
    return false;
  leader_->uncommitted_size += payload;
  return true;
}

void Raft::handle_append_response(const Message& m, Progress& progress) {
  progress.recent_active = true;
  if (m.reject) {
    handle_append_rejection(m, progress);
  } else {
    handle_append_progress(m, progress);
  }
}

// RAL-07. reject_hint and log_term say: the follower has log_term at reject_hint, and lower or
// equal terms before. Where our log has a higher term than that, it cannot match, so the next probe
// skips a whole term at a time; the follower has done the same on its side.
void Raft::handle_append_rejection(const Message& m, Progress& progress) {
  logger_.debug(
      "{:x} received MsgAppResp(rejected, hint: (index {}, term {})) from {:x} for index {}",
      id_.value, m.reject_hint.value, m.log_term.value, m.from.value, m.index.value);
  Index next_probe = m.reject_hint;
  if (m.log_term > Term(0)) {
    // What lies behind our log cannot be looked up there.
    next_probe = log_.find_conflict_by_term(m.reject_hint, m.log_term).index;
  }
  if (!progress.maybe_decrease_to(m.index, next_probe)) return;
  logger_.debug("{:x} decreased progress of {:x} to [{}]", id_.value, m.from.value,
                describe(progress));
  if (progress.state == ProgressState::replicate) progress.become_probe();
  maybe_send_append(m.from, progress, SendEmpty::yes);
}

void Raft::handle_append_progress(const Message& m, Progress& progress) {
  // An answer that brings nothing new still shows a probed follower to be reachable and matching.
  const bool news = progress.maybe_update(m.index);
  if (!news && !(progress.match == m.index && progress.state == ProgressState::probe)) return;
  switch (progress.state) {
    case ProgressState::probe:
      progress.become_replicate();
      break;
    case ProgressState::snapshot:
      // Whatever snapshot it was that arrived: what matters is that our log reaches down to it.
      if (progress.match + 1 >= log_.first_index()) {
        logger_.debug(
            "{:x} recovered from needing snapshot, resumed sending replication messages to {:x} "
            "[{}]",
            id_.value, m.from.value, describe(progress));
        progress.become_probe();
        progress.become_replicate();
      }
      break;
    case ProgressState::replicate:
      progress.inflights.free_up_to(m.index);
      break;
  }
  if (maybe_commit()) {
    release_pending_reads();
    broadcast_append();
  } else if (m.from != id_ && progress.can_bump_commit(log_.committed())) {
    maybe_send_append(m.from, progress, SendEmpty::yes);
  }
  if (m.from != id_) {
    // The window may have opened for several messages.
    while (maybe_send_append(m.from, progress, SendEmpty::no)) {
    }
  }
  if (m.from == leader_->transferee && progress.match == log_.last_index()) {
    logger_.info("{:x} sent MsgTimeoutNow to {:x} after received MsgAppResp", id_.value,
                 m.from.value);
    send_timeout_now(m.from);
  }
}

void Raft::handle_heartbeat_response(const Message& m, Progress& progress) {
  progress.recent_active = true;
  progress.append_paused = false;
  // A follower that is behind gets one more append even with a full window, in case all of those
  // were lost. One that is probed gets an empty one: its answer leads back to replicate.
  if (progress.match < log_.last_index() || progress.state == ProgressState::probe)
    maybe_send_append(m.from, progress, SendEmpty::yes);
  if (config_.read_only_option != ReadOnlyOption::safe || m.context.empty()) return;
  leader_->read_only.receive_ack(m.from, m.context.view());
  for (const ReadOnly::Request& request : leader_->read_only.advance(tracker_.config.voters))
    answer_read(request.message, request.index);
}

void Raft::handle_snapshot_status(const Message& m, Progress& progress) {
  if (progress.state != ProgressState::snapshot) return;
  // After a failure, probing starts behind match and not behind the snapshot.
  if (m.reject) progress.pending_snapshot = Index(0);
  progress.become_probe();
  logger_.debug("{:x} snapshot {}, resumed sending replication messages to {:x} [{}]", id_.value,
                m.reject ? "failed" : "succeeded", m.from.value, describe(progress));
  // Wait for the follower's answer to the snapshot, or for a heartbeat interval before trying
  // again.
  progress.append_paused = true;
}

void Raft::handle_unreachable(const Message& m, Progress& progress) {
  // Appends on the way are probably lost.
  if (progress.state == ProgressState::replicate) progress.become_probe();
  logger_.debug("{:x} failed to send message to {:x} because it is unreachable [{}]", id_.value,
                m.from.value, describe(progress));
}

// Thesis 3.10, RAL-10.
void Raft::handle_transfer_leader(const Message& m, Progress& progress) {
  if (progress.is_learner) {
    logger_.debug("{:x} is learner. Ignored transferring leadership", id_.value);
    return;
  }
  const MemberId to = m.from;
  const MemberId before = leader_->transferee;
  if (before != kNone) {
    if (before == to) {
      logger_.info(
          "{:x} [term {}] transfer leadership to {:x} is in progress, ignores request to same node "
          "{:x}",
          id_.value, term_.value, to.value, to.value);
      return;
    }
    leader_->transferee = kNone;
    logger_.info("{:x} [term {}] abort previous transferring leadership to {:x}", id_.value,
                 term_.value, before.value);
  }
  if (to == id_) {
    logger_.debug("{:x} is already leader. Ignored transferring leadership to self", id_.value);
    return;
  }
  logger_.info("{:x} [term {}] starts to transfer leadership to {:x}", id_.value, term_.value,
               to.value);
  // It has one election timeout.
  election_elapsed_ = 0;
  leader_->transferee = to;
  if (progress.match == log_.last_index()) {
    send_timeout_now(to);
    logger_.info("{:x} sends MsgTimeoutNow to {:x} immediately as {:x} already has up-to-date log",
                 id_.value, to.value, to.value);
  } else {
    maybe_send_append(to, progress, SendEmpty::yes);
  }
}

void Raft::send_timeout_now(MemberId to) { send({.type = MessageType::timeout_now, .to = to}); }

bool Raft::maybe_commit() { return log_.maybe_commit({term_, tracker_.committed()}); }

void Raft::broadcast_append() {
  for (auto& [id, progress] : tracker_.progress) {
    if (id != id_) maybe_send_append(id, progress, SendEmpty::yes);
  }
}

void Raft::broadcast_heartbeat() {
  const SharedBytes context = leader_->read_only.heartbeat_context();
  for (auto& [id, progress] : tracker_.progress) {
    if (id == id_) continue;
    // RAL-08: a follower must not take for committed what it may not have.
    const Index commit = mutant("raft.heartbeat_commits_too_far")
                             ? log_.committed()
                             : std::min(progress.match, log_.committed());
    send({.type = MessageType::heartbeat, .to = id, .commit = commit, .context = context});
    progress.sent_commit = commit;
  }
}

// Sends what the follower lacks, if it may be sent now. True if a message went out. An append
// without entries tells the commit index; one is not sent with SendEmpty::no.
bool Raft::maybe_send_append(MemberId to, Progress& progress, SendEmpty send_empty) {
  if (progress.paused()) return false;
  const Index previous = progress.next - 1;
  const StorageResult<Term> previous_term = log_.term(previous);
  // The log does not reach down to what the follower needs.
  if (!previous_term.ok()) return maybe_send_snapshot(to, progress);

  StorageResult<Entries> entries = Entries();
  // With a full window only empty appends, so that the answer tells if all before were lost.
  if (progress.state != ProgressState::replicate || !progress.inflights.full())
    entries = log_.entries(progress.next, config_.max_size_per_message);
  if (send_empty == SendEmpty::no && (!entries.ok() || entries->empty())) return false;
  if (!entries.ok()) return maybe_send_snapshot(to, progress);

  const size_t count = entries->size();
  const uint64_t payload = payload_size(*entries);
  send({.type = MessageType::app,
        .to = to,
        .log_term = *previous_term,
        .index = previous,
        .commit = log_.committed(),
        .entries = std::move(*entries)});
  progress.sent_entries(count, payload);
  progress.sent_commit = log_.committed();
  return true;
}

bool Raft::maybe_send_snapshot(MemberId to, Progress& progress) {
  if (!progress.recent_active) {
    logger_.debug("ignore sending snapshot to {:x} since it is not recently active", to.value);
    return false;
  }
  const StorageResult<std::shared_ptr<const Snapshot>> snapshot = log_.snapshot();
  if (snapshot.is(StorageError::snapshot_temporarily_unavailable)) {
    logger_.debug(
        "{:x} failed to send snapshot to {:x} because snapshot is temporarily unavailable",
        id_.value, to.value);
    return false;
  }
  CHECK(!(*snapshot)->empty(), "need non-empty snapshot");
  const SnapshotMetadata& metadata = (*snapshot)->metadata;
  logger_.debug("{:x} [firstindex: {}, commit: {}] sent snapshot[index: {}, term: {}] to {:x} [{}]",
                id_.value, log_.first_index().value, log_.committed().value, metadata.index.value,
                metadata.term.value, to.value, describe(progress));
  progress.become_snapshot(metadata.index);
  logger_.debug("{:x} paused sending replication messages to {:x} [{}]", id_.value, to.value,
                describe(progress));
  send({.type = MessageType::snap, .to = to, .snapshot = *snapshot});
  return true;
}

}  // namespace holdfast::raft
