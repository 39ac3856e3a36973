#include "sim/workload.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "fmt/format.h"

namespace holdfast::sim {

namespace {
// Pairs remembered for comparisons and values.
constexpr size_t kRecentMax = 16;
constexpr int kTxnOpsMax = 4;
// In front of all others: no range reaches it.
constexpr std::string_view kKeptKey = "a";
constexpr env::Duration kHastyThinkMax = std::chrono::milliseconds(200);
constexpr env::Duration kHastyTimeoutMax = std::chrono::milliseconds(500);
}  // namespace

Workload::Workload(SimScheduler& scheduler, std::vector<std::unique_ptr<Machine>>& machines,
                   const ClientKnobs& knobs)
    : scheduler_(scheduler), machines_(machines), knobs_(knobs), random_(scheduler.random().fork()) {
  const auto add = [this](size_t machine, Habits habits) {
    clients_.push_back({.id = static_cast<int>(clients_.size()), .machine = machine, .habits = habits});
  };
  for (int i = 0; i < knobs_.clients; ++i)
    add(0, {.loyal = random_.chance(1, 3), .reader = random_.chance(1, 4), .hasty = random_.chance(1, 4)});
  // A member that has fallen behind unawares must be asked while it is so.
  if (knobs_.monitors)
    for (size_t i = 0; i < machines_.size(); ++i) add(i, {.loyal = true, .reader = true, .hasty = true});
  // One more, which only probes.
  add(0, {});
}

void Workload::start() {
  stopped_ = false;
  knobs_.keeps_a_key ? put_kept_key() : begin();
}

// Before anybody else does anything.
void Workload::put_kept_key() {
  if (stopped_) return;
  KvOp put = draw_put();
  put.key = kKeptKey;
  send(clients_.front(), random_.below(machines_.size()), {.op = std::move(put)}, [this](const KvAnswer& answer) {
    if (answer.outcome == Outcome::ok) return begin();
    scheduler_.after(kHastyThinkMax, [this] { put_kept_key(); });
  });
}

void Workload::begin() {
  for (size_t i = 0; i + 1 < clients_.size(); ++i) ask_later(clients_[i]);
}

bool Workload::idle() const {
  return std::none_of(clients_.begin(), clients_.end(), [](const Client& c) { return c.busy; });
}

void Workload::ask_later(Client& client) {
  if (stopped_ || client.asking) return;
  client.asking = true;
  const env::Duration most = client.habits.hasty ? std::min(knobs_.think_max, kHastyThinkMax) : knobs_.think_max;
  int64_t wait = random_.between(knobs_.think_min.count(), most.count());
  if (knobs_.rest_max.count() > 0 && random_.chance(1, 50))
    wait += static_cast<int64_t>(random_.below(static_cast<uint64_t>(knobs_.rest_max.count())));
  scheduler_.after(env::Duration(wait), [this, &client] {
    client.asking = false;
    if (!stopped_) ask(client);
  });
}

void Workload::ask(Client& client) {
  if (random_.chance(1, client.habits.loyal ? 50 : 5)) client.machine = random_.below(machines_.size());
  send(client, client.machine, draw_request(client), [this, &client](const KvAnswer& answer) {
    // Elsewhere there may be somebody who knows the leader.
    if (client.habits.loyal) return ask_later(client);
    if (answer.outcome == Outcome::unknown || answer.outcome == Outcome::refused)
      client.machine = random_.below(machines_.size());
    ask_later(client);
  });
}

void Workload::probe(size_t machine, UniqueFunction<void(bool)> done) {
  Client& client = clients_.back();
  CHECK(!client.busy);
  KvOp put = draw_put();
  KvOp range{.kind = KvKind::range, .key = put.key};
  send(client, machine, {.op = std::move(put)},
       [this, &client, machine, range = std::move(range), done = std::move(done)](const KvAnswer& answer) mutable {
         if (answer.outcome != Outcome::ok) return done(false);
         send(client, machine, {.op = std::move(range)}, [done = std::move(done)](const KvAnswer& answer) mutable {
           done(answer.outcome == Outcome::ok);
         });
       });
}

env::Duration Workload::travel() {
  return env::Duration(random_.between(20'000, 1'000'000));
}

void Workload::send(Client& client, size_t machine, Request request, UniqueFunction<void(const KvAnswer&)> done) {
  CHECK(!client.busy);
  client.busy = true;
  ++counts_.operations;
  const auto lease = leases_.find(request.lease);
  const bool had_key = lease != leases_.end() && lease->second.has_key;
  // From when it is asked on: nobody knows when it happens.
  if (request.kind == Kind::revoke && lease->second.record.revoked_by_client.nanoseconds < 0)
    lease->second.record.revoked_by_client = scheduler_.now();
  auto learning = [this, request, had_key, asked = scheduler_.now(), done = std::move(done)](const KvAnswer& answer) mutable {
    learn_lease(request, asked, had_key, answer);
    done(answer);
  };
  auto call = std::make_shared<Call>(Call{client.id, ++client.call, 0, std::move(request), std::move(learning)});
  const bool kv = call->request.kind == Kind::kv;
  if (kv) call->entry = recorder_.invoke(client.id, machines_[machine]->id(), call->request.op);
  const env::Duration most = client.habits.hasty ? std::min(knobs_.timeout_max, kHastyTimeoutMax) : knobs_.timeout_max;
  const env::Duration patience(random_.between(knobs_.timeout_min.count(), most.count()));
  scheduler_.after(patience, [this, call, kv] {
    const KvOp& op = call->request.op;
    const bool may_have_happened = !kv || op.writes() || op.kind == KvKind::compact;
    finish(*call, {may_have_happened ? Outcome::unknown : Outcome::refused, {}, {}, 0});
  });
  if (strikes(knobs_.lost_request_ppm)) return;
  scheduler_.after(travel(), [this, machine, call] { arrive(machine, call); });
}

void Workload::arrive(size_t at, std::shared_ptr<Call> call) {
  Machine& machine = *machines_[at];
  if (!machine.serving()) return answer(call, {Outcome::refused, {}, {}, 0});
  machine.rpc().post([this, &machine, call = std::move(call)] {
    server::CallContext context;
    context.reply_on = &machine.rpc();
    auto answered = [this, &machine, call](KvAnswer result) {
      if (strikes(knobs_.lost_answer_ppm)) return;
      scheduler_.at(machine.process()->effect_time(), [this, call, result = std::move(result)]() mutable {
        answer(call, std::move(result));
      });
    };
    server::V3Server& server = machine.member().v3();
    const Request& request = call->request;
    switch (request.kind) {
      case Kind::kv: return perform(server, context, request.op, request.lease, std::move(answered));
      case Kind::grant: return grant_lease(server, context, request.lease, request.ttl_seconds, std::move(answered));
      case Kind::revoke: return revoke_lease(server, context, request.lease, std::move(answered));
    }
  });
}

void Workload::answer(const std::shared_ptr<Call>& call, KvAnswer answer) {
  scheduler_.after(travel(), [this, call, answer = std::move(answer)]() mutable { finish(*call, std::move(answer)); });
}

void Workload::finish(Call& call, KvAnswer answer) {
  Client& client = clients_[static_cast<size_t>(call.client)];
  if (client.call != call.number || !client.busy) return;  // too late
  client.busy = false;
  if (answer.outcome == Outcome::ok) ++counts_.acknowledged;
  if (answer.outcome == Outcome::unknown) ++counts_.unknown;
  if (call.request.kind == Kind::kv) {
    learn(call.request.op, answer);
    recorder_.finish(call.entry, answer.outcome, answer.result);
  }
  scheduler_.note(static_cast<uint64_t>(answer.outcome) + static_cast<uint64_t>(answer.result.revision) * 8);
  auto done = std::move(call.done);
  done(answer);
}

void Workload::learn(const KvOp& op, const KvAnswer& answer) {
  if (answer.outcome != Outcome::ok) return;
  latest_revision_ = std::max(latest_revision_, answer.result.revision);
  if (op.kind == KvKind::compact) compacted_ = std::max(compacted_, op.revision);
  const auto see = [this](const KvPair& pair) {
    if (recent_.size() < kRecentMax) {
      recent_.emplace_back(pair.key, pair);
    } else {
      recent_[random_.below(kRecentMax)] = {pair.key, pair};
    }
  };
  for (const KvPair& pair : answer.result.pairs) see(pair);
  if (op.kind == KvKind::put)
    see({op.key, op.value, answer.result.revision, answer.result.revision, 1});
}

std::string Workload::draw_key() { return fmt::format("k{}", random_.below(static_cast<uint64_t>(knobs_.keys))); }

KvOp Workload::draw_put() {
  KvOp op{.kind = KvKind::put, .key = draw_key()};
  // Values tell puts apart.
  op.value = fmt::format("v{}", next_value_++);
  const size_t size =
      strikes(knobs_.big_value_ppm) ? knobs_.big_value_bytes : random_.below(knobs_.value_bytes_max + 1);
  if (op.value.size() < size) op.value.resize(size, '.');
  op.prev_kv = random_.chance(1, 4);
  return op;
}

KvOp Workload::draw_range(bool in_txn) {
  KvOp op{.kind = KvKind::range, .key = draw_key()};
  switch (random_.below(4)) {
    case 0: break;
    case 1: op.end = draw_key(); break;
    case 2: op.key = "k"; op.end = "l"; break;
    default: op.end = op.key + "\xff"; break;
  }
  if (random_.chance(1, 3)) op.limit = random_.between(1, 5);
  if (in_txn) return op;
  op.serializable = random_.chance(1, 4);
  // Mostly one that is there.
  if (random_.chance(1, 4)) op.revision = draw_past_revision();
  return op;
}

int64_t Workload::draw_past_revision() {
  // Often where something begins or ends.
  int64_t revision = 0;
  switch (random_.below(4)) {
    case 0: revision = compacted_ + random_.between(-1, 1); break;
    case 1: revision = latest_revision_ + random_.between(-1, 1); break;
    default: revision = random_.between(compacted_ - 2, latest_revision_ + 1); break;
  }
  return std::max<int64_t>(1, revision);
}

KvOp Workload::draw_delete() {
  KvOp op{.kind = KvKind::delete_range, .key = draw_key()};
  if (random_.chance(1, 4)) op.end = draw_key() + "~";
  op.prev_kv = random_.chance(1, 3);
  return op;
}

KvCompare Workload::draw_compare() {
  KvCompare compare;
  compare.key = draw_key();
  compare.target = static_cast<KvCompare::Target>(random_.below(4));
  compare.result = static_cast<KvCompare::Result>(random_.below(4));
  compare.number = random_.between(0, 2);
  compare.value = "v1";
  if (recent_.empty() || random_.chance(1, 4)) return compare;
  // About a pair as it was not long ago: the compare-and-swap of real clients.
  const KvPair& pair = recent_[random_.below(recent_.size())].second;
  compare.key = pair.key;
  compare.result = random_.chance(3, 4) ? KvCompare::Result::equal : compare.result;
  compare.value = pair.value;
  switch (compare.target) {
    case KvCompare::Target::version: compare.number = pair.version; break;
    case KvCompare::Target::create: compare.number = pair.create_revision; break;
    case KvCompare::Target::mod: compare.number = pair.mod_revision; break;
    case KvCompare::Target::value: break;
  }
  return compare;
}

KvOp Workload::draw_txn() {
  KvOp op{.kind = KvKind::txn};
  for (uint64_t i = random_.below(3); i > 0; --i) op.compares.push_back(draw_compare());
  const auto fill = [this](std::vector<KvOp>& ops) {
    std::vector<std::string> changed;  // etcd refuses a key that is changed twice
    for (uint64_t i = random_.below(kTxnOpsMax); i > 0; --i) {
      KvOp child = random_.chance(1, 3) ? draw_range(true) : random_.chance(1, 4) ? draw_delete() : draw_put();
      if (child.kind != KvKind::range) {
        child.end.clear();
        if (std::find(changed.begin(), changed.end(), child.key) != changed.end()) continue;
        changed.push_back(child.key);
      }
      ops.push_back(std::move(child));
    }
  };
  fill(op.then_ops);
  fill(op.else_ops);
  // etcd reads the state for a transaction without operations wherever it is, however stale.
  if (op.then_ops.empty() && op.else_ops.empty()) op.then_ops.push_back(draw_range(true));
  return op;
}

std::vector<LeaseRecord> Workload::leases() const {
  std::vector<LeaseRecord> records;
  for (const auto& [id, lease] : leases_)
    if (!lease.record.renewals.empty()) records.push_back(lease.record);
  return records;
}

void Workload::learn_lease(const Request& request, env::Instant asked, bool had_key, const KvAnswer& answer) {
  const auto found = leases_.find(request.lease);
  if (found == leases_.end()) return;
  Lease& lease = found->second;
  const env::Instant now = scheduler_.now();
  lease.record.watched_until = now;
  if (request.kind == Kind::revoke) return;
  if (answer.outcome != Outcome::ok) return;
  if (request.kind == Kind::grant) {
    lease.record.renewals.push_back({asked, now, answer.ttl_seconds});
  } else if (request.op.kind == KvKind::put) {
    lease.has_key = true;
  } else if (had_key && answer.result.count == 0 && lease.record.seen_gone.nanoseconds < 0) {
    lease.record.seen_gone = now;
  }
}

bool Workload::draw_lease_request(Request& request) {
  if (leases_.empty() || random_.chance(1, 6)) {
    request.kind = Kind::grant;
    request.lease = next_lease_++;
    request.ttl_seconds = random_.between(1, 12);
    Lease& lease = leases_[request.lease];
    lease.record.id = request.lease;
    KvOp end{.kind = KvKind::delete_range, .key = prefix_of(request.lease)};
    end.end = end.key + "~";
    (void)recorder_.invoke(-1, {}, std::move(end));
    return true;
  }
  // A late one: the others are long gone.
  request.lease = next_lease_ - 1 - static_cast<int64_t>(random_.below(std::min<uint64_t>(4, leases_.size())));
  Lease& lease = leases_[request.lease];
  if (lease.record.renewals.empty()) return false;
  const std::string prefix = prefix_of(request.lease);
  switch (random_.below(12)) {
    case 0:
      request.kind = Kind::revoke;
      return true;
    case 1:
    case 2:
    case 3:
    case 4:
      request.op = draw_put();
      request.op.key = prefix + request.op.key;
      return true;
    default:
      request.op = {.kind = KvKind::range, .key = prefix};
      request.op.end = prefix + "~";
      return true;
  }
}

Workload::Request Workload::draw_request(const Client& client) {
  Request request;
  if (client.habits.reader) {
    request.op = draw_range(false);
    return request;
  }
  const uint32_t others = knobs_.puts + knobs_.ranges + knobs_.deletes + knobs_.txns + knobs_.compactions;
  if (random_.below(others + knobs_.leases) < knobs_.leases && draw_lease_request(request)) return request;
  request = {};
  request.op = draw_operation();
  return request;
}

KvOp Workload::draw_operation() {
  uint64_t draw = random_.below(knobs_.puts + knobs_.ranges + knobs_.deletes + knobs_.txns + knobs_.compactions);
  const auto falls_into = [&draw](uint32_t share) {
    if (draw < share) return true;
    draw -= share;
    return false;
  };
  if (falls_into(knobs_.puts)) return draw_put();
  if (falls_into(knobs_.ranges)) return draw_range(false);
  if (falls_into(knobs_.deletes)) return draw_delete();
  if (falls_into(knobs_.txns)) return draw_txn();
  KvOp compact{.kind = KvKind::compact};
  compact.revision = std::max(compacted_, draw_past_revision());
  return compact;
}

}  // namespace holdfast::sim
