#include "server/proposal_timeouts.h"

#include "base/errors.h"

namespace holdfast::server {

namespace {
// How late a time-out may be noticed; short beside any deadline that makes sense.
constexpr env::Duration kCheckInterval = std::chrono::milliseconds(50);
}  // namespace

ProposalTimeouts::ProposalTimeouts(RaftOwner& raft, WaitTable& waits, const RaftBoard& board,
                                   const Peers& peers, Options options)
    : raft_(raft), waits_(waits), board_(board), peers_(peers), options_(std::move(options)) {}

ProposalTimeouts::~ProposalTimeouts() { raft_.executor().cancel(timer_); }

void ProposalTimeouts::start() {
  timer_ = raft_.executor().post_after(kCheckInterval, [this] { check(); });
}

void ProposalTimeouts::stop() {
  stopped_ = true;
  raft_.executor().cancel(std::exchange(timer_, 0));
}

void ProposalTimeouts::check() {
  if (stopped_) return;
  for (WaitTable::Waiter& waiter : waits_.take_due(raft_.executor().now())) {
    const env::Instant started = waiter.started;
    waits_.give_up(std::move(waiter), classify(started));
  }
  start();
}

absl::Status ProposalTimeouts::classify(env::Instant started) const {
  const env::Instant elected = raft_.leader_elected_at();
  if (started > elected - 2 * options_.election_timeout && started < elected)
    return error(EtcdError::timeout_due_to_leader_fail);
  const MemberId lead = board_.lead();
  if (lead == options_.self) {
    if (!connected_to_quorum_since(started)) return error(EtcdError::timeout_due_to_connection_lost);
  } else if (lead != raft::kNone) {
    const env::Instant active = peers_.active_since(lead);
    if (active == env::Instant{} || active > started)
      return error(EtcdError::timeout_due_to_connection_lost);
  }
  return error(EtcdError::timeout);
}

bool ProposalTimeouts::connected_to_quorum_since(env::Instant since) const {
  const std::vector<MemberId> voters = options_.voters();
  size_t connected = 0;
  for (MemberId voter : voters) {
    const env::Instant active = peers_.active_since(voter);
    if (voter == options_.self || (active != env::Instant{} && active <= since)) ++connected;
  }
  return connected > voters.size() / 2;
}

}  // namespace holdfast::server
