#include "server/lease_expirer.h"

#include "base/errors.h"
#include "base/wire.h"

namespace holdfast::server {

namespace {
constexpr env::Duration kInterval = std::chrono::milliseconds(500);
constexpr size_t kExpiredPerPass = 500;
// Revokes proposed and not yet answered: keeps hundreds of thousands of expiries from crowding out clients' writes.
constexpr int kRevokesUnderWay = 16;
}  // namespace

LeaseExpirer::LeaseExpirer(env::Executor& executor, apply::GuardedLessor& leases,
                           const Leadership& leadership, Proposer& proposer, Logger& log,
                           env::Metrics& metrics, env::Duration election_timeout)
    : executor_(executor),
      leases_(leases),
      leadership_(leadership),
      proposer_(proposer),
      log_(log),
      expired_(metrics.counter("etcd_debugging_server_lease_expired_total", "Expired leases.")),
      election_timeout_(election_timeout) {}

LeaseExpirer::~LeaseExpirer() { executor_.cancel(timer_); }

void LeaseExpirer::start() {
  executor_.post([this] { check(); });
}

void LeaseExpirer::stop() {
  executor_.post([this] {
    stopped_ = true;
    due_.clear();
    leases_.demote();
    executor_.cancel(std::exchange(timer_, 0));
  });
}

void LeaseExpirer::on_first_commit_in_term(bool leading) {
  if (leading) leases_.promote(election_timeout_, executor_.now());
}

void LeaseExpirer::on_leadership(MemberId, raft::StateType state) {
  if (state == raft::StateType::leader) return;
  executor_.post([this] {
    due_.clear();
    leases_.demote();
  });
}

void LeaseExpirer::check() {
  if (stopped_) return;
  timer_ = executor_.post_after(kInterval, [this] { check(); });
  if (!due_.empty()) return;
  const std::vector<LeaseId> expired = leases_.with([this](lease::Lessor& lessor) {
    return lessor.is_primary() ? lessor.expired(executor_.now(), kExpiredPerPass)
                               : std::vector<LeaseId>();
  });
  if (expired.empty()) return;
  due_.assign(expired.begin(), expired.end());
  leadership_.ensure(executor_, [this](bool leads) {
    // Those that are left out here are given out again.
    if (!leads) due_.clear();
    revoke_next();
  });
}

void LeaseExpirer::revoke_next() {
  while (!due_.empty() && under_way_ < kRevokesUnderWay) {
    const LeaseId id = due_.front();
    due_.pop_front();
    revoke(id);
  }
}

void LeaseExpirer::revoke(LeaseId id) {
  ++under_way_;
  std::string request;  // etcdserverpb.LeaseRevokeRequest{ID = 1}
  wire::Writer(request).put_int64(1, id.value);
  proposer_.propose({.reply_on = &executor_, .only_as_leader = true}, Command::lease_revoke, request,
                    [this, id](std::unique_ptr<apply::Result> result) {
                      --under_way_;
                      if (result->status.ok()) {
                        expired_.increment();
                      } else if (!is(result->status, EtcdError::lease_not_found)) {
                        log_.warn("failed to revoke lease", {{"lease-id", hex_id(static_cast<uint64_t>(id.value))},
                                                             {"error", message(result->status)}});
                      }
                      revoke_next();
                    });
}

}  // namespace holdfast::server
