// Becoming a candidate and a leader; voting (Raft 5.2, 5.4.1; thesis 4.2.3, 9.6).
#include <algorithm>

#include "raft/raft.h"

namespace holdfast::raft {

namespace {

MessageType response_to(MessageType vote) {
  return vote == MessageType::vote ? MessageType::vote_resp : MessageType::pre_vote_resp;
}

}  // namespace

// May this node campaign? Not while a snapshot waits: its log would not show what it has.
bool Raft::promotable() const {
  const Progress* self = tracker_.progress.find(id_);
  return self != nullptr && !self->is_learner && !log_.has_unstable_snapshot();
}

void Raft::reset_randomized_election_timeout() {
  randomized_election_timeout_ =
      config_.election_tick +
      static_cast<int>(random_.below(static_cast<uint64_t>(config_.election_tick)));
}

void Raft::become_candidate() {
  CHECK(state_ != StateType::leader, "invalid transition [leader -> candidate]");
  reset(term_ + 1);
  vote_ = id_;
  state_ = StateType::candidate;
  logger_.info("{:x} became candidate at term {}", id_.value, term_.value);
}

// Neither term nor vote change: nothing is promised by asking.
void Raft::become_pre_candidate() {
  CHECK(state_ != StateType::leader, "invalid transition [leader -> pre-candidate]");
  tracker_.reset_votes();
  lead_ = kNone;
  state_ = StateType::pre_candidate;
  logger_.info("{:x} became pre-candidate at term {}", id_.value, term_.value);
}

void Raft::become_leader() {
  CHECK(state_ != StateType::follower, "invalid transition [follower -> leader]");
  reset(term_);
  lead_ = id_;
  state_ = StateType::leader;
  leader_.emplace();
  if (Progress* self = tracker_.progress.find(id_)) {
    self->become_replicate();
    self->recent_active = true;
  }
  // There may be a conf change anywhere in the uncommitted tail. Waiting for all of it is simpler
  // than looking.
  leader_->pending_conf_index = log_.last_index();
  // Raft 5.4.2: only an entry of its own term lets a leader commit those before it.
  const bool accepted = append_entries({Entry{}});
  CHECK(accepted, "empty entry was dropped");
  logger_.info("{:x} became leader at term {}", id_.value, term_.value);
}

void Raft::hup(Campaign kind) {
  if (state_ == StateType::leader) {
    logger_.debug("{:x} ignoring MsgHup because already leader", id_.value);
    return;
  }
  if (!promotable()) {
    logger_.warning("{:x} is unpromotable and can not campaign", id_.value);
    return;
  }
  if (has_unapplied_conf_changes()) {
    logger_.warning(
        "{:x} cannot campaign at term {} since there are still pending configuration changes to "
        "apply",
        id_.value, term_.value);
    return;
  }
  logger_.info("{:x} is starting a new election at term {}", id_.value, term_.value);
  campaign(kind);
}

// Page by page: the committed tail may be long, and is usually on its way to be applied.
bool Raft::has_unapplied_conf_changes() const {
  if (log_.applied() >= log_.committed()) return false;
  bool found = false;
  const Index low = log_.applied() + 1;
  const Index high = log_.committed() + 1;
  const bool complete =
      log_.scan(low, high, log_.max_applying_size(), [&found](const Entries& page) {
        found = std::any_of(page.begin(), page.end(),
                            [](const Entry& entry) { return entry.type != EntryType::normal; });
        return !found;
      });
  if (!complete) {
    logger_.panic("error scanning unapplied entries [{}, {})", low.value, high.value);
  }
  return found;
}

void Raft::campaign(Campaign kind) {
  MessageType request;
  Term term;
  if (kind == Campaign::pre_election) {
    become_pre_candidate();
    request = MessageType::pre_vote;
    term = term_ + 1;
  } else {
    become_candidate();
    request = MessageType::vote;
    term = term_;
  }
  const SharedBytes context =
      kind == Campaign::transfer ? SharedBytes(kCampaignTransfer) : SharedBytes();
  const EntryId last = log_.last_id();
  for (MemberId id : tracker_.config.voters.ids()) {
    if (id == id_) {
      // The own vote counts when it is durable: it comes back as a response.
      send({.type = response_to(request), .to = id, .term = term});
      continue;
    }
    logger_.info("{:x} [logterm: {}, index: {}] sent {} request to {:x} at term {}", id_.value,
                 last.term.value, last.index.value, name(request), id.value, term_.value);
    send({.type = request,
          .to = id,
          .term = term,
          .log_term = last.term,
          .index = last.index,
          .context = context});
  }
}

void Raft::handle_vote_request(const Message& m) {
  // A repeated vote, a first one while there is no leader, or a pre-vote for a term yet to come.
  const bool can_vote = vote_ == m.from || (vote_ == kNone && lead_ == kNone) ||
                        (m.type == MessageType::pre_vote && m.term > term_);
  const EntryId theirs{m.log_term, m.index};
  const bool granted = can_vote && log_.up_to_date(theirs);
  if (logger_.enabled(LogLevel::info)) {
    const EntryId ours = log_.last_id();
    // Learners vote too: the candidate may know of their promotion before they do.
    logger_.info(
        "{:x} [logterm: {}, index: {}, vote: {:x}] {} {} {} {:x} [logterm: {}, index: {}] at term "
        "{}",
        id_.value, ours.term.value, ours.index.value, vote_.value, granted ? "cast" : "rejected",
        name(m.type), granted ? "for" : "from", m.from.value, theirs.term.value, theirs.index.value,
        term_.value);
  }
  if (!granted) {
    send({.type = response_to(m.type), .reject = true, .to = m.from, .term = term_});
    return;
  }
  // With the term that was asked for (RAL-05): a pre-candidate would ignore the lower one of ours.
  send({.type = response_to(m.type), .to = m.from, .term = m.term});
  if (m.type == MessageType::vote) {
    election_elapsed_ = 0;
    vote_ = m.from;
  }
}

void Raft::handle_vote_response(const Message& m) {
  if (m.reject) {
    logger_.info("{:x} received {} rejection from {:x} at term {}", id_.value, name(m.type),
                 m.from.value, term_.value);
  } else {
    logger_.info("{:x} received {} from {:x} at term {}", id_.value, name(m.type), m.from.value,
                 term_.value);
  }
  tracker_.record_vote(m.from, !m.reject);
  const VoteTally tally = tracker_.tally_votes();
  logger_.info("{:x} has received {} {} votes and {} vote rejections", id_.value, tally.granted,
               name(m.type), tally.rejected);
  switch (tally.result) {
    case VoteResult::won:
      if (state_ == StateType::pre_candidate) {
        campaign(Campaign::election);
      } else {
        become_leader();
        broadcast_append();
      }
      break;
    case VoteResult::lost:
      // The answer to a pre-vote names a term that has not begun: stay in ours.
      become_follower(term_, kNone);
      break;
    case VoteResult::pending:
      break;
  }
}

// Candidates and pre-candidates. Answers to the other kind of request may come late, and do not
// count.
StepResult Raft::step_candidate(Message& m) {
  const MessageType awaited =
      state_ == StateType::pre_candidate ? MessageType::pre_vote_resp : MessageType::vote_resp;
  switch (m.type) {
    case MessageType::prop:
      logger_.info("{:x} no leader at term {}; dropping proposal", id_.value, term_.value);
      return StepResult::proposal_dropped;
    case MessageType::app:
      become_follower(m.term, m.from);
      handle_append(m);
      break;
    case MessageType::heartbeat:
      become_follower(m.term, m.from);
      handle_heartbeat(m);
      break;
    case MessageType::snap:
      become_follower(m.term, m.from);
      handle_snapshot(m);
      break;
    case MessageType::vote_resp:
    case MessageType::pre_vote_resp:
      if (m.type == awaited) handle_vote_response(m);
      break;
    case MessageType::timeout_now:
      logger_.debug("{:x} [term {} state {}] ignored MsgTimeoutNow from {:x}", id_.value,
                    term_.value, name(state_), m.from.value);
      break;
    default:
      break;
  }
  return StepResult::ok;
}

}  // namespace holdfast::raft
