// Reads that wait for a quorum to confirm the leader (Raft thesis 6.4). Requests are numbered in
// the order they came; a heartbeat carries the number of the last one, and its echo confirms all up
// to it.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "base/types.h"
#include "raft/message.h"
#include "raft/quorum.h"

namespace holdfast::raft {

// A deposed leader collects reads until check_quorum notices; beyond this many, further ones are
// dropped, and readers ask again. Far above what batching readers have open at once.
inline constexpr size_t kMaxUnconfirmedReads = 1 << 16;

class ReadOnly {
 public:
  struct Request {
    Message message;
    Index index;  // commit index when the request came
  };

  // False if there are too many.
  bool add_request(Index commit, Message request);
  // The echo of heartbeat_context() came from a member. Contexts of another size are of no use.
  void receive_ack(MemberId from, std::string_view context);
  // The requests that are now confirmed, in order.
  std::vector<Request> advance(const JointConfig& voters);
  // Context for a heartbeat whose echo confirms all requests so far; nil if there are none.
  SharedBytes heartbeat_context() const;

  size_t unconfirmed() const { return requests_.size(); }
  uint64_t confirmed() const { return confirmed_; }

 private:
  struct Ack {
    MemberId from;
    uint64_t position;
  };

  std::deque<Request> requests_;
  uint64_t confirmed_ = 0;  // requests before requests_.front()
  std::vector<Ack> acks_;
};

}  // namespace holdfast::raft
