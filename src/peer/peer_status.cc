#include "peer/peer_status.h"

#include <algorithm>

#include "fmt/format.h"

namespace holdfast::peer {

void PeerStatus::activate() {
  if (is_active()) return;
  log_.info("peer became active", {{"peer-id", id_}});
  since_.store(std::max<int64_t>(clock_.now().nanoseconds, 1), std::memory_order_relaxed);
  series_.active.add(1);
}

void PeerStatus::deactivate(std::string_view source, std::string_view action, std::string_view reason) {
  const std::string error =
      fmt::format("failed to {} {} on {} ({})", action, hex_id(id_.value), source, reason);
  if (!is_active()) {
    log_.debug("peer deactivated again", {{"peer-id", id_}, {"error", error}});
    return;
  }
  log_.warn("peer became inactive (message send to peer failed)", {{"peer-id", id_}, {"error", error}});
  since_.store(0, std::memory_order_relaxed);
  series_.active.add(-1);
  series_.disconnected.increment();
}

void PeerStatus::forget() {
  if (!is_active()) return;
  since_.store(0, std::memory_order_relaxed);
  series_.active.add(-1);
}

}  // namespace holdfast::peer
