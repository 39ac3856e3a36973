#include "server/lease_requests.h"

#include <algorithm>
#include <utility>

#include "base/wire.h"
#include "membership/cluster.h"

namespace holdfast::server {

namespace {

using Outcome = lease::Lessor::RenewOutcome;

// Between two rounds over the leader's URLs, in case they can't be reached.
constexpr env::Duration kForwardPause = std::chrono::milliseconds(50);

}  // namespace

// --- who may ---

absl::Status LeaseRequests::check_renew(const AuthInfo& who, LeaseId id) const {
  if (parts_.access.require_admin(who).ok()) return absl::OkStatus();  // also while auth is off
  const uint64_t revision = parts_.access.revision();
  if (absl::Status status = parts_.access.require_user(who); !status.ok()) return status;
  const auto keys =
      parts_.lessor.with([&](const lease::Lessor& lessor) { return lessor.keys_of(id); });
  for (const std::string& key : keys)
    if (absl::Status status = parts_.access.may_put(who, key); !status.ok()) return status;
  if (revision != parts_.access.revision()) return error(EtcdError::auth_old_revision);
  return absl::OkStatus();
}

absl::Status LeaseRequests::check_keys_readable(const AuthInfo& who, LeaseId id) const {
  if (parts_.access.require_admin(who).ok()) return absl::OkStatus();
  const auto keys =
      parts_.lessor.with([&](const lease::Lessor& lessor) { return lessor.keys_of(id); });
  for (const std::string& key : keys)
    if (absl::Status status = parts_.access.may_range(who, key, {}); !status.ok()) return status;
  return absl::OkStatus();
}

// --- keep-alive ---

std::optional<absl::StatusOr<int64_t>> LeaseRequests::renew_at_once(const CallContext& context,
                                                                    LeaseId id) {
  const env::Instant now = context.reply_on->now();
  if (!options_.fast_keep_alive || !parts_.leadership.is_leader() ||
      !parts_.leadership.ticks_on_time(now))
    return std::nullopt;
  if (!parts_.access.require_admin(context.auth).ok()) return std::nullopt;
  const auto renewal = parts_.lessor.renew(id, now);
  // Not found may mean not applied yet.
  if (renewal.outcome != Outcome::renewed) return std::nullopt;
  return renewal.ttl;
}

void LeaseRequests::renew(const CallContext& context, LeaseId id, RenewDone done) {
  auto renewal = std::make_unique<Renewal>(Renewal{context, id, std::move(done)});
  if (!parts_.leadership.is_leader()) return forward(std::move(renewal));
  parts_.leadership.ensure(*context.reply_on,
                           [this, renewal = std::move(renewal)](bool leads) mutable {
                             if (!leads) return renewal->done(error(EtcdError::not_primary_lessor));
                             renew_as_leader(std::move(renewal));
                           });
}

void LeaseRequests::renew_for_peer(env::Executor& reply_on, LeaseId id, RenewDone done) {
  auto renewal = std::make_unique<Renewal>(Renewal{{.reply_on = &reply_on}, id, std::move(done)});
  renewal->on_behalf = Renewal::For::peer;
  parts_.applied.wait(reply_on, [this, renewal = std::move(renewal)](absl::Status status) mutable {
    if (!status.ok()) return renewal->done(std::move(status));
    renew_here(std::move(renewal));
  });
}

// A lease that isn't there may be on its way through the log; without the gate, that is assumed of
// every lease.
void LeaseRequests::renew_as_leader(RenewalRef renewal) {
  const LeaseId id = renewal->id;
  if (options_.fast_keep_alive &&
      parts_.lessor.with([id](const lease::Lessor& lessor) { return lessor.contains(id); }))
    return renew_here(std::move(renewal));
  env::Executor& reply_on = *renewal->context.reply_on;
  parts_.applied.wait(reply_on, [this, renewal = std::move(renewal)](absl::Status status) mutable {
    if (!status.ok()) return renewal->done(std::move(status));
    renew_here(std::move(renewal));
  });
}

void LeaseRequests::renew_here(RenewalRef renewal) {
  if (renewal->on_behalf == Renewal::For::client)
    if (absl::Status status = check_renew(renewal->context.auth, renewal->id); !status.ok())
      return renewal->done(std::move(status));
  const auto outcome = parts_.lessor.renew(renewal->id, renewal->context.reply_on->now());
  switch (outcome.outcome) {
    case Outcome::renewed:
      return renewal->done(outcome.ttl);
    case Outcome::not_found:
      return renewal->done(error(EtcdError::lease_not_found));
    case Outcome::not_primary:
      return not_primary(std::move(renewal));
    case Outcome::expired:
      return renew_expired(std::move(renewal));
    case Outcome::checkpointed:
      return reset_checkpoint(std::move(renewal));
  }
}

// LEA-08, TRP-27: its revocation may be on its way, and a renewal now would bring a dead lease back
// to life.
void LeaseRequests::renew_expired(RenewalRef renewal) {
  const LeaseId id = renewal->id;
  env::Executor& reply_on = *renewal->context.reply_on;
  parts_.lessor.wait_for_revocation(
      id, reply_on, [this, renewal = std::move(renewal)](apply::GuardedLessor::Fate fate) mutable {
        if (fate == apply::GuardedLessor::Fate::revoked)
          return renewal->done(error(EtcdError::lease_not_found));
        not_primary(std::move(renewal));
      });
}

void LeaseRequests::reset_checkpoint(RenewalRef renewal) {
  env::Executor& reply_on = *renewal->context.reply_on;
  parts_.leadership.ensure(reply_on, [this, renewal = std::move(renewal)](bool leads) mutable {
    if (!leads) return not_primary(std::move(renewal));
    std::string checkpoint,
        request;  // LeaseCheckpointRequest{checkpoints = 1: {ID = 1, remaining_TTL = 2: 0}}
    wire::Writer(checkpoint).put_int64(1, renewal->id.value);
    wire::Writer(request).put_bytes(1, checkpoint);
    env::Executor& reply_on = *renewal->context.reply_on;
    parts_.proposer.propose(
        {.reply_on = &reply_on}, Command::lease_checkpoint, request,
        [this, renewal = std::move(renewal)](std::unique_ptr<apply::Result>) mutable {
          const auto outcome =
              parts_.lessor.renew_after_checkpoint(renewal->id, renewal->context.reply_on->now());
          if (outcome.outcome == Outcome::renewed) return renewal->done(outcome.ttl);
          if (outcome.outcome == Outcome::not_primary) return not_primary(std::move(renewal));
          renewal->done(error(EtcdError::lease_not_found));
        });
  });
}

// A client's is sent on to whoever leads now; a peer looks for the leader itself.
void LeaseRequests::not_primary(RenewalRef renewal) {
  if (renewal->on_behalf == Renewal::For::peer)
    return renewal->done(error(EtcdError::not_primary_lessor));
  forward(std::move(renewal));
}

void LeaseRequests::ask(RenewalRef renewal, std::string url, env::Duration patience) {
  if (absl::Status status = check_renew(renewal->context.auth, renewal->id); !status.ok())
    return renewal->done(std::move(status));
  LeaderLessor::Question question{std::move(url), renewal->id, renewal->context.reply_on, patience};
  parts_.leader.renew(std::move(question),
                      [this, renewal = std::move(renewal)](absl::StatusOr<int64_t> ttl) mutable {
                        if (ttl.ok() || is(ttl.status(), EtcdError::lease_not_found))
                          return renewal->done(std::move(ttl));
                        forward(std::move(renewal));
                      });
}

// LEA-10. One question at a time: the leader's URLs in turn, a pause after the last, until time is
// up.
template <class Ref>
void LeaseRequests::forward(Ref ref) {
  env::Executor& executor = *ref->context.reply_on;
  const env::Instant now = executor.now();
  if (ref->forward_deadline == env::Instant{})
    ref->forward_deadline = std::min(now + options_.request_timeout, ref->context.deadline);
  const env::Instant deadline = ref->forward_deadline;
  const auto again = [this, &executor](Ref ref, env::Duration pause) {
    executor.post_after(pause, [this, ref = std::move(ref)]() mutable { forward(std::move(ref)); });
  };
  const MemberId lead = parts_.member.leader();
  const auto cluster = parts_.member.cluster();
  const membership::Member* leader = lead ? cluster->find(lead) : nullptr;
  if (leader == nullptr) {  // an election is under way
    if (now >= deadline) return ref->done(error(EtcdError::no_leader));
    return again(std::move(ref), std::min(options_.election_timeout, deadline - now));
  }
  if (now >= deadline) return ref->done(error(EtcdError::timeout));
  if (leader->peer_urls.empty()) return ref->done(error(EtcdError::no_leader));
  if (lead == parts_.member.member_id()) {
    // Elected meanwhile. Its lessor may be some entries behind.
    if constexpr (std::is_same_v<Ref, RenewalRef>) {
      if (parts_.lessor.with([](const lease::Lessor& lessor) { return lessor.is_primary(); }))
        return renew_as_leader(std::move(ref));
    } else {
      if (parts_.leadership.is_leader()) return look_up_here(std::move(ref));
    }
    return again(std::move(ref), kForwardPause);
  }
  if (ref->next_url >= leader->peer_urls.size()) {
    ref->next_url = 0;
    return again(std::move(ref), kForwardPause);
  }
  std::string url = leader->peer_urls[ref->next_url++];
  ask(std::move(ref), std::move(url), deadline - now);
}

// --- time to live ---

absl::StatusOr<LeaseInfo> LeaseRequests::info(env::Instant now, LeaseId id, LeaseKeys keys) const {
  LeaseInfo info;
  bool primary = false;
  const auto status = parts_.lessor.with([&](const lease::Lessor& lessor) {
    primary = lessor.is_primary();
    if (keys == LeaseKeys::included) info.keys = lessor.keys_of(id);
    return lessor.status(id, now);
  });
  if (!status) return error(EtcdError::lease_not_found);
  // It lives forever here, and nobody may be told that.
  if (!primary) return error(EtcdError::leader_changed);
  info.ttl = status->remaining_seconds();
  info.granted_ttl = status->granted_ttl;
  return info;
}

void LeaseRequests::time_to_live(const CallContext& context, LeaseId id, LeaseKeys keys,
                                 InfoDone done) {
  if (absl::Status status = parts_.access.require_user(context.auth); !status.ok())
    return done(std::move(status));
  if (keys == LeaseKeys::included) {
    const uint64_t revision = parts_.access.revision();
    if (absl::Status status = check_keys_readable(context.auth, id); !status.ok())
      return done(std::move(status));
    done = [this, revision, done = std::move(done)](absl::StatusOr<LeaseInfo> info) mutable {
      if (info.ok() && revision != parts_.access.revision())
        return done(error(EtcdError::auth_old_revision));
      done(std::move(info));
    };
  }
  auto lookup = std::make_unique<Lookup>(Lookup{context, id, keys, std::move(done)});
  if (parts_.leadership.is_leader()) return look_up_here(std::move(lookup));
  forward(std::move(lookup));
}

void LeaseRequests::look_up_here(LookupRef lookup) {
  env::Executor& reply_on = *lookup->context.reply_on;
  parts_.applied.wait(reply_on, [this, lookup = std::move(lookup)](absl::Status status) mutable {
    if (!status.ok()) return lookup->done(std::move(status));
    lookup->done(info(lookup->context.reply_on->now(), lookup->id, lookup->keys));
  });
}

void LeaseRequests::time_to_live_for_peer(env::Executor& reply_on, LeaseId id, LeaseKeys keys,
                                          InfoDone done) {
  auto answer = [done = std::move(done)](absl::StatusOr<LeaseInfo> info) mutable {
    if (is(info.status(), EtcdError::leader_changed))
      return done(error(EtcdError::not_primary_lessor));
    done(std::move(info));
  };
  look_up_here(
      std::make_unique<Lookup>(Lookup{{.reply_on = &reply_on}, id, keys, std::move(answer)}));
}

void LeaseRequests::ask(LookupRef lookup, std::string url, env::Duration patience) {
  LeaderLessor::Question question{std::move(url), lookup->id, lookup->context.reply_on, patience};
  const LeaseKeys keys = lookup->keys;
  parts_.leader.time_to_live(
      std::move(question), keys,
      [this, lookup = std::move(lookup)](absl::StatusOr<LeaseInfo> info) mutable {
        if (info.ok() || is(info.status(), EtcdError::lease_not_found))
          return lookup->done(std::move(info));
        forward(std::move(lookup));
      });
}

// --- list ---

absl::StatusOr<std::vector<LeaseId>> LeaseRequests::list(const CallContext& context) const {
  const AuthInfo& who = context.auth;
  std::vector<LeaseId> ids = parts_.lessor.list();
  if (parts_.access.require_admin(who).ok()) return ids;
  const uint64_t revision = parts_.access.revision();
  if (absl::Status status = parts_.access.require_user(who); !status.ok()) return status;
  for (const LeaseId id : ids)
    if (absl::Status status = check_keys_readable(who, id); !status.ok()) return status;
  if (revision != parts_.access.revision()) return error(EtcdError::auth_old_revision);
  return ids;
}

}  // namespace holdfast::server
