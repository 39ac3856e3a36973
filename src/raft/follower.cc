// What a follower does: append what the leader says, forward what clients ask.
#include <algorithm>

#include "fmt/format.h"
#include "raft/raft.h"

namespace holdfast::raft {

namespace {

// Entries that follow `previous` without a gap, with terms that do not fall and are none of the
// future. A leader sends no others; the log must not take any.
bool well_formed(const Message& m) {
  Term term = m.log_term;
  Index index = m.index;
  for (const Entry& entry : m.entries) {
    ++index;
    if (entry.index != index || entry.term < term || entry.term > m.term) return false;
    term = entry.term;
  }
  return true;
}

std::string field_text(const ConfState& state) {
  std::string out;
  const auto add = [&out](std::string_view field, const std::vector<MemberId>& ids) {
    for (MemberId id : ids) fmt::format_to(std::back_inserter(out), "{}:{} ", field, id.value);
  };
  add("voters", state.voters);
  add("learners", state.learners);
  add("voters_outgoing", state.voters_outgoing);
  add("learners_next", state.learners_next);
  return out + fmt::format("auto_leave:{}", state.auto_leave);
}

}  // namespace

StepResult Raft::step_follower(Message& m) {
  switch (m.type) {
    case MessageType::prop:
      return forward_proposal(m);
    case MessageType::app:
      election_elapsed_ = 0;
      lead_ = m.from;
      handle_append(m);
      break;
    case MessageType::heartbeat:
      election_elapsed_ = 0;
      lead_ = m.from;
      handle_heartbeat(m);
      break;
    case MessageType::snap:
      election_elapsed_ = 0;
      lead_ = m.from;
      handle_snapshot(m);
      break;
    case MessageType::transfer_leader:
      if (lead_ == kNone) {
        logger_.info("{:x} no leader at term {}; dropping leader transfer msg", id_.value,
                     term_.value);
        break;
      }
      forward(m);
      break;
    case MessageType::forget_leader:
      forget_leader();
      break;
    case MessageType::timeout_now:
      logger_.info(
          "{:x} [term {}] received MsgTimeoutNow from {:x} and starts an election to get "
          "leadership.",
          id_.value, term_.value, m.from.value);
      // Without pre-vote: the leader itself has asked for it.
      hup(Campaign::transfer);
      break;
    case MessageType::read_index:
      if (lead_ == kNone) {
        logger_.info("{:x} no leader at term {}; dropping index reading msg", id_.value,
                     term_.value);
        break;
      }
      forward(m);
      break;
    case MessageType::read_index_resp:
      if (m.entries.size() != 1) {
        logger_.error("{:x} invalid format of MsgReadIndexResp from {:x}, entries count: {}",
                      id_.value, m.from.value, m.entries.size());
        break;
      }
      outbox_.read_states.push_back({m.index, m.entries[0].data});
      break;
    default:
      break;
  }
  return StepResult::ok;
}

// To the leader, from whoever sent it to us.
void Raft::forward(Message& m) {
  m.to = lead_;
  m.term = Term(0);
  send(std::move(m));
}

StepResult Raft::forward_proposal(Message& m) {
  if (lead_ == kNone) {
    logger_.info("{:x} no leader at term {}; dropping proposal", id_.value, term_.value);
    return StepResult::proposal_dropped;
  }
  if (config_.disable_proposal_forwarding) {
    logger_.info("{:x} not forwarding to leader {:x} at term {}; dropping proposal", id_.value,
                 lead_.value, term_.value);
    return StepResult::proposal_dropped;
  }
  forward(m);
  return StepResult::ok;
}

void Raft::forget_leader() {
  if (config_.read_only_option == ReadOnlyOption::lease_based) {
    logger_.error("ignoring MsgForgetLeader due to ReadOnlyLeaseBased");
    return;
  }
  if (lead_ == kNone) return;
  logger_.info("{:x} forgetting leader {:x} at term {}", id_.value, lead_.value, term_.value);
  lead_ = kNone;
}

void Raft::handle_append(const Message& m) {
  if (m.index < log_.committed()) {
    send({.type = MessageType::app_resp, .to = m.from, .index = log_.committed()});
    return;
  }
  if (!well_formed(m)) {
    logger_.error("{:x} ignored a MsgApp with inconsistent entries from {:x}", id_.value,
                  m.from.value);
    return;
  }
  if (const auto last = log_.maybe_append({m.log_term, m.index}, m.entries, m.commit)) {
    send({.type = MessageType::app_resp, .to = m.from, .index = *last});
    return;
  }
  logger_.debug("{:x} [logterm: {}, index: {}] rejected MsgApp [logterm: {}, index: {}] from {:x}",
                id_.value, log_.term_or_zero(m.index).value, m.index.value, m.log_term.value,
                m.index.value, m.from.value);
  // RAL-07: where the logs may agree at best. Entries of ours with a higher term than the leader
  // has there cannot.
  const EntryId hint = log_.find_conflict_by_term(std::min(m.index, log_.last_index()), m.log_term);
  send({.type = MessageType::app_resp,
        .reject = true,
        .to = m.from,
        .log_term = hint.term,
        .index = m.index,
        .reject_hint = hint.index});
}

void Raft::handle_heartbeat(const Message& m) {
  log_.commit_to(m.commit);
  send({.type = MessageType::heartbeat_resp, .to = m.from, .context = m.context});
}

void Raft::handle_snapshot(const Message& m) {
  const std::shared_ptr<const Snapshot> snapshot =
      m.snapshot ? m.snapshot : std::make_shared<const Snapshot>();
  const Index index = snapshot->metadata.index;
  const Term term = snapshot->metadata.term;
  const bool restored = restore(snapshot);
  logger_.info("{:x} [commit: {}] {} snapshot [index: {}, term: {}]", id_.value,
               log_.committed().value, restored ? "restored" : "ignored", index.value, term.value);
  send({.type = MessageType::app_resp,
        .to = m.from,
        .index = restored ? log_.last_index() : log_.committed()});
}

// False: the snapshot is of no use.
bool Raft::restore(const std::shared_ptr<const Snapshot>& snapshot) {
  const SnapshotMetadata& metadata = snapshot->metadata;
  if (metadata.index <= log_.committed()) return false;
  if (state_ != StateType::follower) {
    logger_.warning("{:x} attempted to restore snapshot as leader; should never happen", id_.value);
    become_follower(term_ + 1, kNone);
    return false;
  }
  const auto has_self = [this](const std::vector<MemberId>& ids) {
    return std::find(ids.begin(), ids.end(), id_) != ids.end();
  };
  // learners_next are in voters_outgoing.
  const ConfState& members = metadata.conf_state;
  if (!has_self(members.voters) && !has_self(members.learners) &&
      !has_self(members.voters_outgoing)) {
    logger_.warning(
        "{:x} attempted to restore snapshot but it is not in the ConfState {}; should never happen",
        id_.value, field_text(members));
    return false;
  }
  if (log_.matches({metadata.term, metadata.index})) {
    // All of it is here already: it only says what is committed.
    const EntryId last = log_.last_id();
    logger_.info(
        "{:x} [commit: {}, lastindex: {}, lastterm: {}] fast-forwarded commit to snapshot [index: "
        "{}, "
        "term: {}]",
        id_.value, log_.committed().value, last.index.value, last.term.value, metadata.index.value,
        metadata.term.value);
    log_.commit_to(metadata.index);
    return false;
  }
  log_.restore(snapshot);
  adopt(members);
  configured_by_snapshot_ = metadata.index;
  configured_at_ = metadata.index;
  const EntryId last = log_.last_id();
  logger_.info(
      "{:x} [commit: {}, lastindex: {}, lastterm: {}] restored snapshot [index: {}, term: {}]",
      id_.value, log_.committed().value, last.index.value, last.term.value, metadata.index.value,
      metadata.term.value);
  return true;
}

}  // namespace holdfast::raft
