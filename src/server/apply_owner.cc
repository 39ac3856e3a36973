#include "server/apply_owner.h"

#include <algorithm>

#include "base/errors.h"
#include "base/mutant.h"
#include "raft/codec.h"

namespace holdfast::server {

namespace {
// Answers of a batch go out together: a task and a wake-up for each would cost more than they do. But the first doesn't
// wait longer than for some 100 us of applying.
constexpr size_t kAnswersTogether = 128;
}  // namespace

ApplyOwner::ApplyOwner(Parts parts, MemberId self, Index applied)
    : parts_(parts),
      self_(self),
      applied_total_(parts.metrics.gauge("etcd_server_proposals_applied_total",
                                         "Consensus proposals applied.")),
      applied_(applied) {
  parts_.board.set_applied(applied_, applied_term_);
}

void ApplyOwner::apply(raft::Message order) {
  parts_.executor.post([this, order = std::move(order)]() mutable {
    if (stopped_) return;
    orders_.push_back(std::move(order));
    if (!running_) run();
  });
}

void ApplyOwner::install(std::shared_ptr<const raft::Snapshot> snapshot) {
  raft::Message order;
  order.snapshot = std::move(snapshot);
  apply(std::move(order));
}

void ApplyOwner::stop() {
  stopped_ = true;
  orders_.clear();
}

void ApplyOwner::run() {
  running_ = false;
  while (!orders_.empty() && !stopped_) {
    backend::Backend& backend = parts_.machine.backend();
    if (backend.congested()) {
      // The disk is behind with batches that are applied already: what comes next waits here, and in front of it, by
      // PUT-02, the clients.
      running_ = true;
      backend.when_uncongested([this] { run(); });
      return;
    }
    raft::Message order = std::move(orders_.front());
    orders_.pop_front();
    if (order.has_snapshot()) return begin_install(order.snapshot->metadata);
    carry_out(order);
    finish(std::move(order));
  }
}

void ApplyOwner::begin_install(const raft::SnapshotMetadata& snapshot) {
  CHECK(snapshot.index > applied_, "unexpected leader snapshot at index {}, {} applied",
        snapshot.index.value, applied_.value);
  running_ = true;
  install_(snapshot, [this, snapshot] { finish_install(snapshot); });
}

void ApplyOwner::finish_install(const raft::SnapshotMetadata& snapshot) {
  if (stopped_) return;
  applied_ = snapshot.index;
  applied_term_ = snapshot.term;
  parts_.board.set_applied(applied_, applied_term_);
  applied_total_.set(static_cast<double>(applied_.value));
  parts_.raft.executor().post([this] { parts_.reads.on_applied(); });
  parts_.peers.remove_all();
  for (const auto& [id, member] : parts_.machine.cluster()->members())
    if (id != self_) parts_.peers.add(id, member.peer_urls);
  for (ApplyListener* listener : listeners_) listener->on_installed(applied_);
  run();
}

void ApplyOwner::carry_out(raft::Message& order) {
  const raft::Entry* expected = order.entries.begin();  // up to there
  for (const raft::Entry& entry : order.entries) {
    if (&entry == expected) {
      const auto left = static_cast<size_t>(order.entries.end() - expected);
      const size_t count = std::min(left, apply::StateMachine::kExpectedMax);
      parts_.machine.expect(expected, count);
      expected += count;
    }
    if (entry.index <= applied_) continue;
    CHECK(entry.index == applied_ + 1, "entry {} committed after {} applied", entry.index.value,
          applied_.value);
    apply_entry(entry);
    parts_.machine.backend().entry_boundary();
    applied_ = entry.index;
    applied_term_ = entry.term;
    if (answers_.size() >= kAnswersTogether) answer();
  }
  answer();
  parts_.board.set_applied(applied_, applied_term_);
  applied_total_.set(static_cast<double>(applied_.value));
}

void ApplyOwner::answer() {
  for (ApplyListener* listener : listeners_) listener->before_answers();
  if (!answers_.empty()) parts_.waits.trigger_all(answers_);
}

// What rests on this order being applied, in this order: raft knows, reads go on, then changes of membership are
// answered (CLU-11: the next change must not meet a raft that still waits for this one).
void ApplyOwner::finish(raft::Message order) {
  parts_.raft.executor().post([this, responses = std::move(order.responses),
                               conf = std::move(conf_results_)]() mutable {
    parts_.raft.on_apply_done(std::move(responses));
    for (ConfResult& c : conf) parts_.waits.trigger(c.id, std::move(c.result));
  });
  conf_results_.clear();
  for (ApplyListener* listener : listeners_) listener->on_applied(applied_, applied_term_);
}

void ApplyOwner::apply_entry(const raft::Entry& entry) {
  if (entry.type == raft::EntryType::normal) {
    apply_normal(entry);
  } else {
    apply_conf_change(entry);
  }
}

void ApplyOwner::apply_normal(const raft::Entry& entry) {
  const bool should_apply = parts_.machine.begin_entry(entry.index, entry.term);
  if (entry.data.empty()) {
    // A new leader's first entry (PUT-18). Later ones of its term are conf changes that raft did not take. To etcd they begin
    // the term anew: leases are given more time while their revocations are on their way.
    if (entry.term == term_begun_ && !mutant("server.ignored_conf_change_begins_a_term")) return;
    term_begun_ = entry.term;
    parts_.raft.executor().post([this] { parts_.reads.on_first_commit_in_term(); });
    const bool leading = parts_.board.is_leader();
    for (ApplyListener* listener : listeners_) listener->on_first_commit_in_term(leading);
    return;
  }
  const apply::ParsedRequest& request = parts_.machine.parse(entry);
  const uint64_t id = request.id();
  std::unique_ptr<apply::Result> result = parts_.machine.apply(
      request, {.should_apply = should_apply, .has_waiter = parts_.waits.contains(id)});
  if (result == nullptr) return;
  if (!is(result->status, EtcdError::no_space) || parts_.machine.no_space_alarm()) {
    answers_.push_back({id, std::move(result)});
    return;
  }
  parts_.log.warn("message exceeded backend quota; raising alarm",
                  {{"quota-size-bytes", parts_.machine.quota().limit_bytes()}});
  raise_no_space_([waits = &parts_.waits, id, result = std::move(result)]() mutable {
    waits->trigger(id, std::move(result));
  });
}

void ApplyOwner::apply_conf_change(const raft::Entry& entry) {
  CHECK(entry.type == raft::EntryType::conf_change, "entry {}: etcd proposes conf changes v1 only",
        entry.index.value);
  const bool should_apply = parts_.machine.begin_entry(entry.index, entry.term);
  absl::StatusOr<raft::ConfChange> change = raft::decode_conf_change(entry.data);
  CHECK(change.ok(), "entry {}: {}", entry.index.value, message(change.status()));
  apply::ConfChangeOutcome outcome = parts_.machine.apply_conf_change(*change, should_apply);
  if (mutant("server.conf_change_applied_twice") && !should_apply)
    parts_.raft.executor().post([raft = &parts_.raft, change = *change, at = entry.index] {
      raft->apply_conf_change(change, at);
    });
  if (outcome.tell_raft)
    parts_.raft.executor().post([raft = &parts_.raft, change = outcome.for_raft, at = entry.index] {
      raft->apply_conf_change(change, at);
    });
  tell_peers(outcome);
  auto result = std::make_unique<apply::Result>();
  result->status = outcome.status;
  conf_results_.push_back({change->id, std::move(result)});
  if (outcome.removed_self)
    for (ApplyListener* listener : listeners_) listener->on_removed_from_cluster();
}

void ApplyOwner::tell_peers(const apply::ConfChangeOutcome& outcome) {
  using Effect = apply::ConfChangeOutcome::Effect;
  if (outcome.member == self_) return;
  switch (outcome.effect) {
    case Effect::added: return parts_.peers.add(outcome.member, outcome.peer_urls);
    case Effect::removed: return parts_.peers.remove(outcome.member);
    case Effect::updated: return parts_.peers.update(outcome.member, outcome.peer_urls);
    case Effect::none:
    case Effect::promoted: return;
  }
}

}  // namespace holdfast::server
