// LeaseRequests over a real lessor, with a member whose role the test sets and a leader that answers what it is told.
#pragma once

#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "apply/guarded_lessor.h"
#include "server/lease_requests.h"
#include "test/server/v3_world.h"

namespace holdfast::server {

class FakeLeaderLessor : public LeaderLessor {
 public:
  struct Asked {
    Question question;
    LeaseKeys keys = LeaseKeys::left_out;
  };
  void renew(Question question, UniqueFunction<void(absl::StatusOr<int64_t>)> done) override {
    absl::StatusOr<int64_t> answer = error(EtcdError::timeout);
    if (!ttls.empty()) {
      answer = ttls.front();
      ttls.pop_front();
    }
    env::Executor& reply_on = *question.reply_on;
    asked.push_back({std::move(question)});
    reply_on.post([done = std::move(done), answer = std::move(answer)]() mutable { done(std::move(answer)); });
  }
  void time_to_live(Question question, LeaseKeys keys,
                    UniqueFunction<void(absl::StatusOr<LeaseInfo>)> done) override {
    absl::StatusOr<LeaseInfo> answer = error(EtcdError::timeout);
    if (!infos.empty()) {
      answer = infos.front();
      infos.pop_front();
    }
    env::Executor& reply_on = *question.reply_on;
    asked.push_back({std::move(question), keys});
    reply_on.post([done = std::move(done), answer = std::move(answer)]() mutable { done(std::move(answer)); });
  }
  std::deque<absl::StatusOr<int64_t>> ttls;    // answers to come; then time-outs
  std::deque<absl::StatusOr<LeaseInfo>> infos;
  std::vector<Asked> asked;
};

// Who may do what, as the test says; everybody may everything at first.
class FakeAccess : public AccessControl {
 public:
  absl::Status require_user(const AuthInfo&) const override { return user; }
  absl::Status require_admin(const AuthInfo&) const override { return admin; }
  absl::Status may_range(const AuthInfo&, std::string_view key, std::string_view) const override {
    return key == forbidden ? error(EtcdError::permission_denied) : absl::OkStatus();
  }
  absl::Status may_put(const AuthInfo&, std::string_view key) const override {
    return key == forbidden ? error(EtcdError::permission_denied) : absl::OkStatus();
  }
  absl::Status may_txn(const AuthInfo&, const etcdserverpb::TxnRequest&) const override {
    return absl::OkStatus();
  }
  uint64_t revision() const override { return 1; }
  absl::Status user, admin;
  std::string forbidden = "\xff";
};

struct LeaseWorld {
  static constexpr env::Duration kHeartbeat = std::chrono::milliseconds(100);

  LeaseWorld(env::Executor& apply, Proposer& proposer, LinearizableReader& reader,
             const MemberInfo& member, env::Metrics& metrics, Logger& log,
             LeaseRequests::Options options = {}, lease::Options lease_options = {})
      : lessor(lease_options, metrics),
        applied(apply, board),
        leadership(board, reader, log, member.member_id(), kHeartbeat),
        requests({lessor, member, leadership, applied, proposer, access, leader}, options) {
    lead(apply.now());
  }
  void lead(env::Instant now) {
    board.set_state(raft::StateType::leader);
    board.set_lead(MemberId(0xabc));
    board.set_ticked(now);
    lessor.promote(std::chrono::seconds(1), now);
  }
  void follow(MemberId who) {
    board.set_state(raft::StateType::follower);
    board.set_lead(who);
    lessor.demote();
  }

  RaftBoard board;
  apply::GuardedLessor lessor;
  AppliedWaits applied;
  Leadership leadership;
  FakeAccess access;
  FakeLeaderLessor leader;
  LeaseRequests requests;
};

}  // namespace holdfast::server
