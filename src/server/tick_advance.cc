#include "server/tick_advance.h"

#include <algorithm>

namespace holdfast::server {

namespace {
constexpr env::Duration kInterval = std::chrono::milliseconds(50);
constexpr int kLooks = 100;  // for five seconds, the time a connection may take
}  // namespace

void TickAdvance::start() {
  parts_.raft.executor().post([this] { look(kLooks); });
}

void TickAdvance::stop() {
  parts_.raft.executor().post([this] {
    stopped_ = true;
    parts_.raft.executor().cancel(std::exchange(timer_, 0));
  });
}

void TickAdvance::look(int looks_left) {
  if (stopped_) return;
  const auto cluster = parts_.member.cluster();
  const auto active =
      std::count_if(cluster->members().begin(), cluster->members().end(), [&](const auto& member) {
        return member.first != parts_.member.member_id() &&
               parts_.peers.active_since(member.first) != env::Instant{};
      });
  if (active > 1) {
    const int ticks = election_ticks_ - 2;
    parts_.log.info("initialized peer connections; fast-forwarding election ticks",
                    {{"local-member-id", parts_.member.member_id()},
                     {"forward-ticks", ticks},
                     {"election-ticks", election_ticks_},
                     {"active-remote-members", static_cast<int64_t>(active)}});
    return parts_.raft.advance_ticks(ticks);
  }
  if (looks_left > 0)
    timer_ = parts_.raft.executor().post_after(kInterval, [this, looks_left] {
      look(looks_left - 1);
    });
}

}  // namespace holdfast::server
