#include "raft/raft.h"

#include <algorithm>

#include "fmt/format.h"
#include "raft/codec.h"
#include "raft/describe.h"

namespace holdfast::raft {

namespace {

// Keeps the timeouts of members apart that were given the same seed.
constexpr uint64_t kSeedSpread = 0x9e3779b97f4a7c15;

Config with_defaults(Config config) {
  if (config.max_committed_size_per_ready == 0)
    config.max_committed_size_per_ready = config.max_size_per_message;
  if (config.max_uncommitted_entries_size == 0) config.max_uncommitted_entries_size = kNoLimit;
  if (config.max_inflight_bytes == 0) config.max_inflight_bytes = kNoLimit;
  return config;
}

const Config& checked(const Config& config) {
  const absl::Status status = config.validate();
  CHECK(status.ok(), "raft config: {}", std::string(status.message()));
  return config;
}

std::string join_hex(const MemberSet& ids) {
  std::string out;
  for (MemberId id : ids)
    fmt::format_to(std::back_inserter(out), "{}{:x}", out.empty() ? "" : ",", id.value);
  return out;
}

}  // namespace

std::string_view text(StepResult result) {
  switch (result) {
    case StepResult::ok:
      return "";
    case StepResult::proposal_dropped:
      return "raft proposal dropped";
    case StepResult::local_message:
      return "raft: cannot step raft local message";
    case StepResult::peer_not_found:
      return "raft: cannot step as peer not found";
  }
  return "?";
}

Raft::Raft(const Config& config)
    : id_(checked(config).id),
      config_(with_defaults(config)),
      logger_(*config.logger),
      log_(*config.storage, *config.logger, config_.max_committed_size_per_ready),
      tracker_(config.max_inflight_messages, config_.max_inflight_bytes),
      random_(config.random_seed ^ config.id.value * kSeedSpread) {
  const Storage::InitialState initial = config.storage->initial_state();
  const EntryId last = log_.last_id();
  adopt(initial.conf_state);
  if (!initial.hard_state.empty()) load_state(initial.hard_state);
  if (config.applied > Index(0)) log_.applied_to(config.applied, 0);
  become_follower(term_, kNone);
  logger_.info(
      "newRaft {:x} [peers: [{}], term: {}, commit: {}, applied: {}, lastindex: {}, lastterm: {}]",
      id_.value, join_hex(tracker_.config.voters.ids()), term_.value, log_.committed().value,
      log_.applied().value, last.index.value, last.term.value);
}

void Raft::load_state(const HardState& state) {
  if (state.commit < log_.committed() || state.commit > log_.last_index()) {
    logger_.panic("{:x} state.commit {} is out of range [{}, {}]", id_.value, state.commit.value,
                  log_.committed().value, log_.last_index().value);
  }
  log_.set_committed(state.commit);
  term_ = state.term;
  vote_ = state.vote;
}

// Votes and acknowledgements of appends, refusals too, wait for everything unstable to be durable;
// all else goes at once.
void Raft::send(Message message) {
  if (message.from == kNone) message.from = id_;
  const MessageType type = message.type;
  const bool voting = type == MessageType::vote || type == MessageType::vote_resp ||
                      type == MessageType::pre_vote || type == MessageType::pre_vote_resp;
  if (voting) {
    // The term that is campaigned for, which for pre_vote is not the sender's.
    if (message.term == Term(0)) logger_.panic("term should be set when sending {}", name(type));
  } else {
    if (message.term != Term(0)) {
      logger_.panic("term should not be set when sending {} (was {})", name(type),
                    message.term.value);
    }
    // What is forwarded to the leader counts as local there: it has no term.
    if (type != MessageType::prop && type != MessageType::read_index) message.term = term_;
  }
  if (type == MessageType::app_resp || type == MessageType::vote_resp ||
      type == MessageType::pre_vote_resp) {
    outbox_.after_append.push_back(std::move(message));
    return;
  }
  if (message.to == id_)
    logger_.panic("message should not be self-addressed when sending {}", name(type));
  outbox_.now.push_back(std::move(message));
}

void Raft::reset(Term term) {
  if (term_ != term) {
    term_ = term;
    vote_ = kNone;
  }
  lead_ = kNone;
  leader_.reset();
  election_elapsed_ = 0;
  reset_randomized_election_timeout();
  tracker_.reset_votes();
  const Index last = log_.last_index();
  for (auto& [id, progress] : tracker_.progress) {
    const bool is_learner = progress.is_learner;
    progress = tracker_.fresh_progress();
    progress.is_learner = is_learner;
    progress.next = last + 1;
    if (id == id_) progress.match = last;
  }
}

void Raft::become_follower(Term term, MemberId lead) {
  ++changes_;
  reset(term);
  lead_ = lead;
  state_ = StateType::follower;
  logger_.info("{:x} became follower at term {}", id_.value, term_.value);
}

void Raft::tick() {
  ++changes_;
  if (state_ == StateType::leader) {
    tick_heartbeat();
  } else {
    tick_election();
  }
}

void Raft::step_self(MessageType type) {
  Message message;
  message.type = type;
  message.from = id_;
  if (const StepResult result = step(std::move(message)); result != StepResult::ok)
    logger_.debug("error occurred in {}: {}", name(type), text(result));
}

void Raft::tick_election() {
  ++election_elapsed_;
  if (!promotable() || election_elapsed_ < randomized_election_timeout_) return;
  election_elapsed_ = 0;
  step_self(MessageType::hup);
}

void Raft::tick_heartbeat() {
  ++leader_->heartbeat_elapsed;
  ++election_elapsed_;
  if (election_elapsed_ >= config_.election_tick) {
    election_elapsed_ = 0;
    if (config_.check_quorum) step_self(MessageType::check_quorum);
    // A transfer that takes this long has failed: proposals are taken again.
    if (leader_) leader_->transferee = kNone;
  }
  if (!leader_ || leader_->heartbeat_elapsed < config_.heartbeat_tick) return;
  leader_->heartbeat_elapsed = 0;
  step_self(MessageType::beat);
}

StepResult Raft::step(Message message) {
  ++changes_;
  if (message.term > term_) {
    if (!step_higher_term(message)) return StepResult::ok;
  } else if (message.term != Term(0) && message.term < term_) {
    step_lower_term(message);
    return StepResult::ok;
  }
  return dispatch(message);
}

bool Raft::in_lease() const {
  return config_.check_quorum && lead_ != kNone && election_elapsed_ < config_.election_tick;
}

// False: the message is to be ignored.
bool Raft::step_higher_term(const Message& m) {
  const bool vote_request = m.type == MessageType::vote || m.type == MessageType::pre_vote;
  if (vote_request && m.context.view() != kCampaignTransfer && in_lease()) {
    // RAL-04: a leader was heard from so lately that the candidate has no business campaigning.
    if (logger_.enabled(LogLevel::info)) {
      const EntryId last = log_.last_id();
      logger_.info(
          "{:x} [logterm: {}, index: {}, vote: {:x}] ignored {} from {:x} [logterm: {}, index: {}] "
          "at term "
          "{}: lease is not expired (remaining ticks: {})",
          id_.value, last.term.value, last.index.value, vote_.value, name(m.type), m.from.value,
          m.log_term.value, m.index.value, term_.value, config_.election_tick - election_elapsed_);
    }
    return false;
  }
  // A pre-vote asks about a term that nobody has begun; a granted one names it (RAL-05).
  if (m.type == MessageType::pre_vote) return true;
  if (m.type == MessageType::pre_vote_resp && !m.reject) return true;
  logger_.info("{:x} [term: {}] received a {} message with higher term from {:x} [term: {}]",
               id_.value, term_.value, name(m.type), m.from.value, m.term.value);
  const bool from_leader =
      m.type == MessageType::app || m.type == MessageType::heartbeat || m.type == MessageType::snap;
  become_follower(m.term, from_leader ? m.from : kNone);
  return true;
}

void Raft::step_lower_term(const Message& m) {
  const bool from_leader = m.type == MessageType::heartbeat || m.type == MessageType::app;
  if ((config_.check_quorum || config_.pre_vote) && from_leader) {
    // RAL-06. With check_quorum or pre_vote our higher term may never reach that leader by a vote
    // request, as those are ignored or do not raise terms; an answer with our term does.
    send({.type = MessageType::app_resp, .to = m.from});
  } else if (m.type == MessageType::pre_vote) {
    // Candidates from before pre-vote was switched on may have high terms and short logs: they need
    // to hear of us.
    if (logger_.enabled(LogLevel::info)) {
      const EntryId last = log_.last_id();
      logger_.info(
          "{:x} [logterm: {}, index: {}, vote: {:x}] rejected {} from {:x} [logterm: {}, index: "
          "{}] at term {}",
          id_.value, last.term.value, last.index.value, vote_.value, name(m.type), m.from.value,
          m.log_term.value, m.index.value, term_.value);
    }
    send({.type = MessageType::pre_vote_resp, .reject = true, .to = m.from, .term = term_});
  } else if (m.type == MessageType::storage_append_resp) {
    // The write may have been overtaken by one of a later term: its entries do not count as stable.
    // A snapshot does: it is committed whatever the term.
    if (m.index != Index(0)) {
      logger_.info(
          "{:x} [term: {}] ignored entry appends from a {} message with lower term [term: {}]",
          id_.value, term_.value, name(m.type), m.term.value);
    }
    if (m.snapshot) applied_snapshot(*m.snapshot);
  } else {
    logger_.info("{:x} [term: {}] ignored a {} message with lower term from {:x} [term: {}]",
                 id_.value, term_.value, name(m.type), m.from.value, m.term.value);
  }
}

StepResult Raft::dispatch(Message& message) {
  switch (message.type) {
    case MessageType::hup:
      hup(config_.pre_vote ? Campaign::pre_election : Campaign::election);
      return StepResult::ok;
    case MessageType::storage_append_resp:
      handle_storage_append_resp(message);
      return StepResult::ok;
    case MessageType::storage_apply_resp:
      handle_storage_apply_resp(message);
      return StepResult::ok;
    case MessageType::vote:
    case MessageType::pre_vote:
      handle_vote_request(message);
      return StepResult::ok;
    default:
      break;
  }
  switch (state_) {
    case StateType::leader:
      return step_leader(message);
    case StateType::follower:
      return step_follower(message);
    case StateType::candidate:
    case StateType::pre_candidate:
      return step_candidate(message);
  }
  return StepResult::ok;
}

void Raft::handle_storage_append_resp(const Message& message) {
  if (message.index != Index(0)) log_.stable_to({message.log_term, message.index});
  if (message.snapshot) applied_snapshot(*message.snapshot);
}

void Raft::handle_storage_apply_resp(const Message& message) {
  if (message.entries.empty()) return;
  applied_to(message.entries.back().index, encoded_size(message.entries));
  if (leader_) {
    const uint64_t payload = payload_size(message.entries);
    leader_->uncommitted_size -= std::min(payload, leader_->uncommitted_size);
  }
}

void Raft::applied_snapshot(const Snapshot& snapshot) {
  log_.stable_snapshot_to(snapshot.metadata.index);
  applied_to(snapshot.metadata.index, 0);
}

void Raft::applied_to(Index index, uint64_t size) {
  const Index applied = std::max(index, log_.applied());
  log_.applied_to(applied, size);
  if (!tracker_.config.auto_leave || !leader_ || applied < leader_->pending_conf_index) return;
  // The joint configuration is applied: leave it. Has no payload, so only a transfer under way can
  // have it dropped, and then the next applied entry brings us here again.
  Message leave;
  leave.type = MessageType::prop;
  leave.entries = {leave_joint_entry()};
  if (const StepResult result = step(std::move(leave)); result != StepResult::ok) {
    logger_.debug("not initiating automatic transition out of joint configuration {}: {}",
                  describe(tracker_.config), text(result));
  } else {
    logger_.info("initiating automatic transition out of joint configuration {}",
                 describe(tracker_.config));
  }
}

}  // namespace holdfast::raft
