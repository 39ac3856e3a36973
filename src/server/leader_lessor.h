// The leader's lessor, asked from another member (etcd server/lease/leasehttp; parity LEA-05, LEA-10, LEA-11, PEERH-04,
// PEERH-05). Renewals don't go through raft: who isn't the leader asks the leader over the peer port. peer/ implements
// it over HTTP, the simulator over its network.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/errors.h"
#include "base/task.h"
#include "base/types.h"
#include "env/executor.h"

namespace holdfast::server {

// How a lease stands, as TimeToLive tells it.
struct LeaseInfo {
  int64_t ttl = 0;  // whole seconds that are left
  int64_t granted_ttl = 0;
  std::vector<std::string> keys;  // if asked for
};
enum class LeaseKeys : uint8_t { left_out, included };

class LeaderLessor {
 public:
  virtual ~LeaderLessor() = default;

  // `url` is one of the leader's peer URLs. Both answer exactly once, on `reply_on`, never inside the call.
  // `lease_not_found` is the leader's word; every other error means that it could not be asked, or did not know, and
  // that asking again may help.
  struct Question {
    std::string url;
    LeaseId id;
    env::Executor* reply_on;
    env::Duration patience;
  };
  // The granted TTL.
  virtual void renew(Question question, UniqueFunction<void(absl::StatusOr<int64_t>)> done) = 0;
  virtual void time_to_live(Question question, LeaseKeys keys,
                            UniqueFunction<void(absl::StatusOr<LeaseInfo>)> done) = 0;
};

// Of a member without peers: there is nobody to ask.
class NoLeaderLessor : public LeaderLessor {
 public:
  void renew(Question question, UniqueFunction<void(absl::StatusOr<int64_t>)> done) override {
    question.reply_on->post([done = std::move(done)]() mutable { done(error(EtcdError::no_leader)); });
  }
  void time_to_live(Question question, LeaseKeys,
                    UniqueFunction<void(absl::StatusOr<LeaseInfo>)> done) override {
    question.reply_on->post([done = std::move(done)]() mutable { done(error(EtcdError::no_leader)); });
  }
};

}  // namespace holdfast::server
