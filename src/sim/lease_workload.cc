#include "sim/lease_workload.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/errors.h"
#include "fmt/format.h"
#include "rpc.pb.h"

namespace holdfast::sim {

namespace {

namespace pb = etcdserverpb;

using std::chrono::milliseconds;

constexpr int64_t kTtlMax = 8;  // seconds
constexpr int kRenewalsMax = 8;

}  // namespace

LeaseWorkload::LeaseWorkload(SimScheduler& scheduler, std::vector<std::unique_ptr<Machine>>& machines,
                             const ClientKnobs& knobs)
    : scheduler_(scheduler), machines_(machines), knobs_(knobs), random_(scheduler.random().fork()) {
  for (int i = 0; i < knobs_.clients; ++i) clients_.push_back({.id = i});
}

void LeaseWorkload::start() {
  for (Client& client : clients_) later(client, milliseconds(100), &LeaseWorkload::grant);
}

bool LeaseWorkload::idle() const {
  return std::none_of(clients_.begin(), clients_.end(), [](const Client& c) { return c.has_lease || c.busy; });
}

std::vector<LeaseRecord> LeaseWorkload::records() const {
  std::vector<LeaseRecord> all = finished_;
  for (const Client& client : clients_) {
    if (!client.has_lease) continue;
    all.push_back(client.lease);
    all.back().watched_until = scheduler_.now();
  }
  return all;
}

void LeaseWorkload::later(Client& client, env::Duration wait, void (LeaseWorkload::*step)(Client&)) {
  scheduler_.after(wait, [this, &client, step] { (this->*step)(client); });
}

void LeaseWorkload::grant(Client& client) {
  if (stopped_) return;
  const env::Instant asked = scheduler_.now();
  pb::LeaseGrantRequest request;
  request.set_ttl(random_.between(1, kTtlMax));
  send(client,
       [request](server::Member& member, const server::CallContext& context, Answered answered) {
         member.v3().lease_grant(
             context, request, request.SerializeAsString(),
             [answered = std::move(answered)](std::unique_ptr<apply::Result> result) mutable {
               if (!result->status.ok()) return answered({});
               answered({.ok = true, .number = result->as<pb::LeaseGrantResponse>().id()});
             });
       },
       [this, &client, asked, ttl = request.ttl()](const Answer& answer) {
         // One that was granted without our knowing will end as well; nobody looks.
         if (!answer.ok) return later(client, milliseconds(200), &LeaseWorkload::grant);
         client.lease = {.id = answer.number};
         // The member may have raised the TTL, never lowered it.
         client.lease.renewals.push_back({asked, scheduler_.now(), ttl});
         client.key = fmt::format("leased/{}/{}", client.id, answer.number);
         client.renewals_left = static_cast<int>(random_.below(kRenewalsMax + 1));
         hang_key(client);
       });
}

void LeaseWorkload::hang_key(Client& client) {
  pb::PutRequest put;
  put.set_key(client.key);
  put.set_lease(client.lease.id);
  send(client,
       [bytes = std::make_shared<std::string>(put.SerializeAsString())](  // shared with the answer: a view points into it
           server::Member& member, const server::CallContext& context, Answered answered) {
         const auto view = server::parse_put(*bytes);
         member.v3().put(context, *view,
                         [bytes, answered = std::move(answered)](std::unique_ptr<apply::Result> result) mutable {
                           answered({.ok = result->status.ok()});
                         });
       },
       [this, &client](const Answer& answer) {
         // Whether it hangs there, and whether the lease is there still, is not known: begin anew.
         if (!answer.ok) return later(client, milliseconds(200), &LeaseWorkload::grant);
         client.has_lease = true;
         next(client);
       });
}

void LeaseWorkload::next(Client& client) {
  const int64_t ttl = client.lease.renewals.back().ttl_seconds;
  const bool renews = !stopped_ && client.renewals_left > 0 && random_.chance(3, 4);
  // Now and then too late, on purpose.
  const int64_t wait = random_.between(10'000'000, renews ? ttl * 1'100'000'000 : 1'000'000'000);
  later(client, env::Duration(wait), renews ? &LeaseWorkload::keep_alive : &LeaseWorkload::look);
}

void LeaseWorkload::keep_alive(Client& client) {
  --client.renewals_left;
  const env::Instant asked = scheduler_.now();
  send(client,
       [id = client.lease.id](server::Member& member, const server::CallContext& context, Answered answered) {
         member.leases().renew(context, LeaseId(id),
                               [answered = std::move(answered)](absl::StatusOr<int64_t> ttl) mutable {
                                 answered({.ok = ttl.ok(),
                                           .not_found = is(ttl.status(), EtcdError::lease_not_found),
                                           .number = ttl.value_or(0)});
                               });
       },
       [this, &client, asked](const Answer& answer) {
         // Said by a leader that is cut off, it may not be so (as etcd's); the read is linearizable.
         if (answer.not_found) return look(client);
         if (answer.ok) {
           ++counts_.kept_alive;
           client.lease.renewals.push_back({asked, scheduler_.now(), answer.number});
         }
         next(client);
       });
}

void LeaseWorkload::look(Client& client) {
  send(client,
       [key = std::make_shared<std::string>(client.key)](  // shared with the answer: a view points into it
           server::Member& member, const server::CallContext& context, Answered answered) {
         server::RangeView range;
         range.key = *key;
         range.count_only = true;
         member.v3().range(context, range, {},
                           [key, answered = std::move(answered)](absl::StatusOr<std::string> bytes) mutable {
                             pb::RangeResponse response;
                             if (!bytes.ok() || !response.ParseFromString(*bytes)) return answered({});
                             answered({.ok = true, .number = response.count()});
                           });
       },
       [this, &client](const Answer& answer) {
         if (answer.ok && answer.number == 0) return lease_is_gone(client);
         next(client);
       });
}

void LeaseWorkload::lease_is_gone(Client& client) {
  ++counts_.ended;
  client.lease.seen_gone = client.lease.watched_until = scheduler_.now();
  scheduler_.note(static_cast<uint64_t>(client.lease.id));
  finished_.push_back(std::move(client.lease));
  client.has_lease = false;
  later(client, milliseconds(100), &LeaseWorkload::grant);
}

void LeaseWorkload::send(Client& client, Request request, Answered done) {
  CHECK(!client.busy);
  client.busy = true;
  ++counts_.operations;
  if (random_.chance(1, 3)) client.machine = random_.below(machines_.size());
  auto call = std::make_shared<Call>(Call{client.id, ++client.call, std::move(done)});
  const env::Duration patience(random_.between(knobs_.timeout_min.count(), knobs_.timeout_max.count()));
  scheduler_.after(patience, [this, call] { finish(*call, {}); });
  if (strikes(knobs_.lost_request_ppm)) return;
  scheduler_.after(travel(), [this, &machine = *machines_[client.machine], call,
                              request = std::move(request)]() mutable {
    if (!machine.serving()) return;
    machine.rpc().post([this, &machine, call, request = std::move(request)]() mutable {
      server::CallContext context;
      context.reply_on = &machine.rpc();
      request(machine.member(), context, [this, &machine, call](const Answer& answer) {
        if (strikes(knobs_.lost_answer_ppm)) return;
        scheduler_.at(machine.process()->effect_time(), [this, call, answer] {
          scheduler_.after(travel(), [this, call, answer] { finish(*call, answer); });
        });
      });
    });
  });
}

void LeaseWorkload::finish(Call& call, const Answer& answer) {
  Client& client = clients_[static_cast<size_t>(call.client)];
  if (client.call != call.number || !client.busy) return;  // too late
  client.busy = false;
  if (answer.ok) {
    ++counts_.acknowledged;
  } else {
    client.machine = random_.below(machines_.size());
  }
  auto done = std::move(call.done);
  done(answer);
}

}  // namespace holdfast::sim
