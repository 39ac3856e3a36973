#include "server/leader_transfer.h"

#include <algorithm>

#include "base/errors.h"
#include "membership/cluster.h"

namespace holdfast::server {

namespace {
// Connections that break for another reason are back by then.
constexpr env::Duration kGoneMax = std::chrono::milliseconds(500);
}  // namespace

struct LeaderTransfer::Transfer {
  env::Executor& executor;
  env::Instant started;
  env::Instant deadline;
  MemberId to;
  Patience patience;
  env::Instant seen;  // when it was last connected
  Done done;
};

void LeaderTransfer::move(const CallContext& context, MemberId to, Done done) {
  if (absl::Status status = parts_.access.require_admin(context.auth); !status.ok())
    return done(std::move(status));
  if (parts_.member.leader() != parts_.member.member_id())
    return done(error(EtcdError::not_leader));
  const env::Instant deadline =
      std::min(context.deadline, context.reply_on->now() + options_.request_timeout);
  begin(*context.reply_on, deadline, to, Patience::till_deadline, std::move(done));
}

void LeaderTransfer::begin(env::Executor& executor, env::Instant deadline, MemberId to, Patience patience,
                           Done done) {
  const auto cluster = parts_.member.cluster();
  const membership::Member* member = cluster->find(to);
  if (member == nullptr || member->is_learner)
    return done(error(EtcdError::bad_leader_transferee));
  const MemberId self = parts_.member.member_id();
  parts_.log.info("leadership transfer starting", {{"local-member-id", self},
                                                   {"current-leader-member-id", self},
                                                   {"transferee-member-id", to}});
  parts_.raft.begin_transfer(to);
  look({executor, executor.now(), deadline, to, patience, executor.now(), std::move(done)});
}

void LeaderTransfer::look(Transfer transfer) {
  const env::Instant now = transfer.executor.now();
  if (parts_.member.leader() == transfer.to) {
    parts_.log.info("leadership transfer finished",
                    {{"local-member-id", parts_.member.member_id()},
                     {"old-leader-member-id", parts_.member.member_id()},
                     {"new-leader-member-id", transfer.to},
                     {"took-seconds", static_cast<double>((now - transfer.started).count()) / 1e9}});
    return transfer.done(absl::OkStatus());
  }
  if (now >= transfer.deadline) return transfer.done(error(EtcdError::leader_transfer_timeout));
  if (parts_.peers.active_since(transfer.to) != env::Instant{}) transfer.seen = now;
  if (transfer.patience == Patience::while_connected && now - transfer.seen >= kGoneMax)
    return transfer.done(error(EtcdError::unhealthy));
  env::Executor& executor = transfer.executor;
  executor.post_at(std::min(now + options_.heartbeat_interval, transfer.deadline),
                   [this, transfer = std::move(transfer)]() mutable { look(std::move(transfer)); });
}

void LeaderTransfer::hand_over(env::Executor& executor, Done done) {
  const MemberId self = parts_.member.member_id();
  const MemberId leader = parts_.member.leader();
  if (leader != self) {
    parts_.log.info("skipped leadership transfer; local server is not leader",
                    {{"local-member-id", self}, {"current-leader-member-id", leader}});
    return done(absl::OkStatus());
  }
  const auto cluster = parts_.member.cluster();
  const std::vector<MemberId> voters = cluster->voters();
  if (cluster->find(self) == nullptr) return done(absl::OkStatus());  // removed: the others go on without it
  if (voters.size() <= 1) {
    parts_.log.info("skipped leadership transfer for single voting member cluster",
                    {{"local-member-id", self}, {"current-leader-member-id", leader}});
    return done(absl::OkStatus());
  }
  MemberId longest;
  env::Instant oldest{};
  for (MemberId voter : voters) {
    const env::Instant active = voter == self ? env::Instant{} : parts_.peers.active_since(voter);
    if (active == env::Instant{}) continue;
    if (longest && active >= oldest) continue;
    longest = voter;
    oldest = active;
  }
  if (!longest) return done(error(EtcdError::unhealthy));
  begin(executor, executor.now() + options_.request_timeout, longest, Patience::while_connected, std::move(done));
}

}  // namespace holdfast::server
