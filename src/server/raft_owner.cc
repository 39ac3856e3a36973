#include "server/raft_owner.h"

#include <algorithm>
#include <utility>

#include "base/errors.h"
#include "base/mutant.h"
#include "base/wire.h"
#include "raft/codec.h"

namespace holdfast::server {

raft::Config RaftOwner::with_parts(raft::Config config, Parts& parts) {
  config.storage = &parts.storage;
  config.logger = &parts.raft_log;
  config.async_storage_writes = true;
  return config;
}

RaftOwner::RaftOwner(Parts parts, Options options)
    : executor_(parts.executor),
      storage_(parts.storage),
      log_(parts.log),
      board_(parts.board),
      waits_(parts.waits),
      peers_(parts.peers),
      options_(options),
      node_(with_parts(options.config, parts)),
      conf_state_(parts.storage.initial_state().conf_state) {
  env::Metrics& m = parts.metrics;
  metrics_ = {
      &m.gauge("etcd_server_has_leader", "Whether or not a leader exists."),
      &m.gauge("etcd_server_is_leader", "Whether or not this member is a leader."),
      &m.counter("etcd_server_leader_changes_seen_total", "Leader changes seen."),
      &m.gauge("etcd_server_proposals_committed_total", "Consensus proposals committed."),
      &m.counter("etcd_server_heartbeat_send_failures_total",
                 "Leader heartbeats sent late, likely because the disk is slow."),
  };
  board_.set_term(node_.term());
  board_.set_committed(node_.committed());
  show_role_in_configuration();
}

RaftOwner::~RaftOwner() { executor_.cancel(tick_timer_); }

void RaftOwner::connect(AppendSink& append, ApplySink& apply, ReadIndex& reads) {
  append_ = &append;
  apply_ = &apply;
  reads_ = &reads;
}

void RaftOwner::start() {
  next_tick_ = executor_.now();
  last_tick_ = next_tick_;
  board_.set_ticked(last_tick_);
  arm_tick();
  schedule_ready();
}

void RaftOwner::advance_ticks(int ticks) {
  for (int i = 0; i < ticks; ++i) node_.tick();
  schedule_ready();
}

void RaftOwner::stop() {
  stopped_ = true;
  executor_.cancel(std::exchange(tick_timer_, 0));
  proposals_.clear();
}

void RaftOwner::arm_tick() {
  // Ticks keep their rhythm; those that were missed while the executor was busy are left out, as Go's ticker does.
  next_tick_ = std::max(next_tick_ + options_.heartbeat_interval, executor_.now());
  tick_timer_ = executor_.post_at(next_tick_, [this] { tick(); });
}

void RaftOwner::tick() {
  if (stopped_) return;
  const env::Instant now = executor_.now();
  const bool alone = conf_state_.voters.size() + conf_state_.learners.size() <= 1;
  if (board_.is_leader() && !alone && now - last_tick_ > 2 * options_.heartbeat_interval) {
    metrics_.heartbeat_failures->increment();
    log_.warn("leader failed to send out heartbeat on time; took too long, leader is overloaded likely from slow disk",
              {{"heartbeat-interval", static_cast<double>(options_.heartbeat_interval.count()) / 1e9},
               {"took", static_cast<double>((now - last_tick_).count()) / 1e9}});
  }
  last_tick_ = now;
  board_.set_ticked(now);
  node_.tick();
  if (show_status_) show_status_(node_.status());
  arm_tick();
  schedule_ready();
}

void RaftOwner::post(Proposal proposal) {
  executor_.post([this, proposal = std::move(proposal)]() mutable {
    proposals_.push_back(std::move(proposal));
    schedule_ready();
  });
}

void RaftOwner::post_proposal(uint64_t id, SharedBytes data, bool only_as_leader) {
  post({id, raft::EntryType::normal, std::move(data), only_as_leader});
}

void RaftOwner::post_conf_change(const raft::ConfChange& change) {
  post({change.id, raft::EntryType::conf_change, SharedBytes(raft::encoded(change))});
}

void RaftOwner::post_message(raft::Message message) {
  executor_.post([this, message = std::move(message)]() mutable {
    step(std::move(message));
    schedule_ready();
  });
}

void RaftOwner::post_messages(std::vector<raft::Message> messages, Task taken) {
  executor_.post([this, messages = std::move(messages), taken = std::move(taken)]() mutable {
    for (raft::Message& message : messages) step(std::move(message));
    schedule_ready();
    taken();
  });
}

void RaftOwner::step(raft::Message message) {
  if (message.from == node_.id()) return;  // raft would take itself for its leader
  // Learners ask an only voter. They ask again when they have applied the first entry of its term.
  const bool only_voter = conf_state_.voters.size() <= 1 && conf_state_.voters_outgoing.empty();
  const bool too_early = only_voter && !knows_what_is_committed() && !mutant("server.only_voter_tells_learners_too_early");
  if (message.type == raft::MessageType::read_index && too_early) return;
  (void)node_.step(std::move(message));
}

void RaftOwner::begin_transfer(MemberId to) {
  executor_.post([this, to] {
    if (node_.state() == raft::StateType::leader) transfer_leader(to);
  });
}

absl::StatusOr<RaftControl::Match> RaftOwner::match_of(MemberId id) const {
  if (node_.state() != raft::StateType::leader) return error(EtcdError::not_leader);
  Match match;
  bool known = false;
  node_.visit_progress([&](MemberId member, const raft::Progress& progress) {
    if (member == id) match.member = progress.match;
    if (member == node_.id()) match.leader = progress.match;
    known = known || member == id;
  });
  if (!known) return error(EtcdError::member_not_found);
  return match;
}

void RaftOwner::ask_match(MemberId id, env::Executor& reply_on,
                          UniqueFunction<void(absl::StatusOr<Match>)> done) {
  executor_.post([this, id, &reply_on, done = std::move(done)]() mutable {
    reply_on.post([match = match_of(id), done = std::move(done)]() mutable {
      done(std::move(match));
    });
  });
}

// Until a leader has committed an entry of its own term it may not know all that was acknowledged before it. Raft postpones
// questions for a read index then, except to an only voter: restarted, it would answer from a commit index that its last
// client is ahead of.
bool RaftOwner::knows_what_is_committed() const {
  const raft::Raft& raft = node_.raft();
  if (raft.state() != raft::StateType::leader) return true;
  const auto term = raft.log().term(raft.log().committed());
  return term.ok() && *term == raft.term();
}

void RaftOwner::request_read_index(uint64_t request_id) {
  // The first commit of the term asks again.
  if (!knows_what_is_committed() && !mutant("server.only_voter_reads_too_early")) return;
  std::string context;
  wire::append_be64(context, request_id);
  node_.read_index(SharedBytes(context));
  schedule_ready();
}

void RaftOwner::transfer_leader(MemberId to) {
  node_.transfer_leader(to);
  schedule_ready();
}

void RaftOwner::campaign() {
  (void)node_.campaign();
  schedule_ready();
}

void RaftOwner::report_unreachable(MemberId id) {
  node_.report_unreachable(id);
  schedule_ready();
}

void RaftOwner::report_snapshot(MemberId id, raft::SnapshotStatus status) {
  node_.report_snapshot(id, status);
  schedule_ready();
}

void RaftOwner::apply_conf_change(const raft::ConfChange& change, Index entry) {
  conf_state_ = node_.apply_conf_change(change, entry);
  show_role_in_configuration();
  schedule_ready();
}

void RaftOwner::show_role_in_configuration() {
  const std::vector<MemberId>& learners = conf_state_.learners;
  board_.set_is_learner(std::find(learners.begin(), learners.end(), node_.id()) != learners.end());
}

void RaftOwner::schedule_ready() {
  if (ready_scheduled_ || stopped_) return;
  ready_scheduled_ = true;
  // A task of its own: whatever is queued before it joins the same Ready, and so the same write to disk.
  executor_.post([this] {
    ready_scheduled_ = false;
    run_ready();
  });
}

void RaftOwner::drop_proposals_of_a_leader() {
  if (node_.state() == raft::StateType::leader || mutant("server.deposed_leader_revokes_leases")) return;
  std::erase_if(proposals_, [this](const Proposal& p) {
    if (p.only_as_leader) waits_.fail(p.id, error(EtcdError::not_leader));
    return p.only_as_leader;
  });
}

// Without a leader proposals wait here until there is one, or until nobody waits for them any more; so do etcd's, in
// their channel. What bounds them is the wait table's deadline, and beyond it the limit on requests under way.
void RaftOwner::submit_proposals() {
  drop_proposals_of_a_leader();
  if (proposals_.empty()) return;
  if (!node_.has_leader()) {
    std::erase_if(proposals_, [this](const Proposal& p) { return !waits_.contains(p.id); });
    return;
  }
  std::vector<raft::Entry> entries;
  entries.reserve(proposals_.size());
  for (Proposal& p : proposals_) entries.push_back({.type = p.type, .data = std::move(p.data)});
  if (node_.propose(raft::Entries(std::move(entries))) != raft::StepResult::ok) {
    const absl::Status dropped =
        make_status(absl::StatusCode::kUnknown, text(raft::StepResult::proposal_dropped));
    for (const Proposal& p : proposals_) waits_.fail(p.id, dropped);
  }
  proposals_.clear();
}

// The order that safety needs is kept by the messages themselves: what rests on a durable write is among the responses
// of its order to the log writer, which delivers them after the sync.
void RaftOwner::run_ready() {
  if (stopped_) return;
  submit_proposals();
  while (node_.has_ready()) {
    raft::Ready ready = node_.ready();
    // 1. Publish who leads, and what is committed, before anybody is told of it.
    board_.set_term(node_.term());
    if (ready.soft_state) publish(*ready.soft_state);
    if (ready.hard_state) {
      board_.set_committed(ready.hard_state->commit);
      metrics_.committed->set(static_cast<double>(ready.hard_state->commit.value));
    }
    // 2. Orders to the disk and to apply, and messages to the other members: a leader's appends travel while its own
    //    disk works (PUT-22).
    dispatch(std::move(ready.messages));
    // 3. Reads that are confirmed.
    if (!ready.read_states.empty()) reads_->on_read_states(ready.read_states);
    submit_proposals();
  }
}

// A candidate asks for votes when its own is on the disk (Raft paper 5.2, 5.6), as etcd's members do, which send after they
// saved unless they lead. With asynchronous storage writes raft asks at once, and holds back only its own vote: the others
// might elect it in a term that it forgets in a crash, and elect it in the same term once more, with other entries.
void RaftOwner::ask_for_votes_when_saved(std::vector<raft::Message>& messages) {
  const auto order = std::find_if(messages.begin(), messages.end(),
                                  [](const raft::Message& m) { return m.to == raft::kLocalAppendThread; });
  if (order == messages.end()) return;
  const auto is_question = [](const raft::Message& m) { return m.type == raft::MessageType::vote; };
  for (raft::Message& message : messages)
    if (is_question(message)) order->responses.push_back(std::move(message));
  std::erase_if(messages, is_question);
}

void RaftOwner::dispatch(std::vector<raft::Message> messages) {
  if (!mutant("server.asks_for_votes_before_saved")) ask_for_votes_when_saved(messages);
  std::vector<raft::Message> outgoing;
  for (raft::Message& message : messages) {
    if (message.to == raft::kLocalAppendThread) {
      append_->append(std::move(message));
    } else if (message.to == raft::kLocalApplyThread) {
      apply_->apply(std::move(message));
    } else if (message.type == raft::MessageType::snap) {
      send_snapshot_(std::move(message));
    } else {
      outgoing.push_back(std::move(message));
    }
  }
  if (!outgoing.empty()) peers_.send(std::move(outgoing));
}

void RaftOwner::publish(const raft::SoftState& state) {
  const MemberId before = board_.lead();
  const bool changed = state.lead != raft::kNone && state.lead != before;
  board_.set_state(state.state);
  board_.set_lead(state.lead);
  metrics_.has_leader->set(state.lead != raft::kNone);
  metrics_.is_leader->set(state.state == raft::StateType::leader);
  if (changed) {
    if (state.state == raft::StateType::leader) leader_elected_at_ = executor_.now();
    metrics_.leader_changes->increment();
  }
  if (changed) reads_->on_leader_change();
  for (LeadershipListener* listener : listeners_) listener->on_leadership(state.lead, state.state);
}

void RaftOwner::on_append_done(raft::Message order) {
  // Stable now; the node may read it from storage from the first response on.
  if (order.snapshot && !order.snapshot->empty()) {
    const bool newer = storage_.apply_snapshot(*order.snapshot);
    CHECK(newer, "snapshot at index {} is older than the log", order.snapshot->metadata.index.value);
    conf_state_ = order.snapshot->metadata.conf_state;
    show_role_in_configuration();
  }
  if (!order.entries.empty()) storage_.append(order.entries);
  if (compaction_held_)
    for (const raft::Entry& entry : order.entries) held_bytes_ += sizeof(raft::Entry) + entry.data.size();
  for (raft::Message& response : order.responses) {
    if (response.to == node_.id()) (void)node_.step(std::move(response));
  }
  schedule_ready();
}

void RaftOwner::on_apply_done(std::vector<raft::Message> responses) {
  for (raft::Message& response : responses) (void)node_.step(std::move(response));
  reads_->on_applied();
  compact_memory();
  schedule_ready();
}

void RaftOwner::hold_compaction(bool hold) {
  compaction_held_ = hold;
  held_bytes_ = 0;
}

void RaftOwner::compact_memory() {
  const Index applied = node_.applied();
  const bool held = compaction_held_ && held_bytes_ <= options_.held_bytes_max;
  if (held || applied - compacted_at_ < options_.compact_every) return;
  if (applied > storage_.last_index()) return;  // applied from memory before its append was acknowledged
  // While all can be kept, all is: a follower that raft asks again from the very beginning needs no snapshot then.
  const Index keep = options_.snapshot_catchup_entries;
  if (applied <= keep) return;
  compacted_at_ = applied;
  if (!storage_.create_snapshot(applied, &conf_state_, SharedBytes()).ok()) return;
  if (std::exchange(held_bytes_, 0) > options_.held_bytes_max)
    log_.warn("compacting the log while a snapshot is being sent; its member may need another one",
              {{"local-member-id", node_.id()}, {"held-bytes-max", options_.held_bytes_max}});
  const Index compact_to = Index(applied - keep);
  if (compact_to >= storage_.first_index()) (void)storage_.compact(compact_to);
}

}  // namespace holdfast::server
