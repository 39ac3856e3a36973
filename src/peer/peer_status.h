// Whether there is a live connection with a peer, and since when (etcd rafthttp/peer_status.go; parity RAFT-24).
#pragma once

#include <atomic>
#include <string_view>

#include "base/log.h"
#include "base/types.h"
#include "env/clock.h"
#include "peer/metrics.h"

namespace holdfast::peer {

class PeerStatus {
 public:
  PeerStatus(const env::Clock& clock, Logger& log, PeerSeries& series, MemberId id)
      : clock_(clock), log_(log), series_(series), id_(id) {}

  // The transport's thread.
  void activate();
  // "failed to <action> <peer> on <source> (<reason>)".
  void deactivate(std::string_view source, std::string_view action, std::string_view reason);
  // The peer is removed: it is not active, and not missed.
  void forget();

  // Any thread. Instant{0} while inactive.
  env::Instant active_since() const { return {since_.load(std::memory_order_relaxed)}; }
  bool is_active() const { return since_.load(std::memory_order_relaxed) != 0; }

 private:
  const env::Clock& clock_;
  Logger& log_;
  PeerSeries& series_;
  const MemberId id_;
  std::atomic<int64_t> since_{0};
};

}  // namespace holdfast::peer
