// A cluster of one need not wait for anybody's silence (parity OPS-09): its only member stands for election at once, that is
// as soon as it has applied what its log says about the cluster's members, before which raft doesn't let it. Where etcd
// skips one election timeout less a tick, and then waits for what chance adds to it, half a second on average, this skips
// the longest that can be drawn.
#pragma once

#include <utility>

#include "server/apply_owner.h"
#include "server/chore.h"
#include "server/raft_board.h"
#include "server/raft_owner.h"

namespace holdfast::server {

class LoneStart : public Chore, public ApplyListener {
 public:
  LoneStart(RaftOwner& raft, const RaftBoard& board, int election_ticks)
      : raft_(raft), board_(board), election_ticks_(election_ticks), awaited_(board.committed()) {}

  std::string_view name() const override { return "lone-start"; }
  // After the raft owner's own start.
  void start() override {
    raft_.executor().post([this] {
      if (board_.applied() >= awaited_) campaign();
    });
  }
  void stop() override {}
  void on_applied(Index index, Term) override {
    if (told_ || index < awaited_) return;
    told_ = true;
    raft_.executor().post([this] { campaign(); });
  }

 private:
  void campaign() {
    if (!std::exchange(done_, true)) raft_.advance_ticks(2 * election_ticks_ - 1);
  }

  RaftOwner& raft_;
  const RaftBoard& board_;
  const int election_ticks_;
  const Index awaited_;
  bool told_ = false;  // apply executor
  bool done_ = false;  // raft's
};

}  // namespace holdfast::server
