// The network between the members: every directed link delays, and may lose, repeat, reorder or block. Streams keep their
// order, as TCP does, unless reordering strikes. Snapshots travel on streams of their own, as slow as they are big. What
// raft would not take twice without harm, a forwarded proposal, no transport of etcd's repeats, and neither does this one.
//
// A message is delivered to whoever answers to the address when it arrives, also if that process was started after it was
// sent. What is lost may be reported to the sender as unreachable, as a broken connection would be.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "base/random.h"
#include "base/types.h"
#include "env/clock.h"
#include "raft/message.h"
#include "sim/scheduler.h"

namespace holdfast::sim {

// Messages on the way over one link; more are dropped and reported (etcd: streamBufSize, 4096).
inline constexpr size_t kLinkMessagesMax = 4096;

struct LinkQuality {
  env::Duration delay_min = std::chrono::microseconds(100);
  env::Duration delay_max = std::chrono::milliseconds(2);
  // A tail: this share of messages takes up to `slow_max` instead.
  uint32_t slow_ppm = 0;
  env::Duration slow_max = std::chrono::milliseconds(200);
  uint32_t loss_ppm = 0;
  uint32_t duplicate_ppm = 0;
  uint32_t reorder_ppm = 0;  // may overtake and be overtaken
  uint64_t bytes_per_second = 0;           // 0: unlimited
  uint64_t snapshot_bytes_per_second = 0;  // 0: unlimited
  uint32_t report_ppm = 500'000;           // losses that the sender hears of
};

class SimNetwork {
 public:
  struct Endpoint {
    std::function<void(raft::Message)> receive;
    std::function<void(MemberId)> unreachable;
    std::function<void(MemberId, bool delivered)> snapshot_done;
  };
  struct Counts {
    uint64_t sent = 0;
    uint64_t delivered = 0;
    uint64_t lost = 0;
    uint64_t duplicated = 0;
    uint64_t reordered = 0;
    uint64_t refused = 0;  // the link was full
  };

  explicit SimNetwork(SimScheduler& scheduler);

  void attach(MemberId id, Endpoint endpoint);
  void detach(MemberId id);

  // `leaves`: when the message is handed over, not before now.
  void send(raft::Message message, env::Instant leaves);

  // Of links that have no quality of their own.
  void set_quality(const LinkQuality& quality) { quality_ = quality; }
  void set_quality(MemberId from, MemberId to, const LinkQuality& quality);
  // One way.
  void block(MemberId from, MemberId to) { link(from, to).blocked = true; }
  void unblock(MemberId from, MemberId to) { link(from, to).blocked = false; }
  bool blocked(MemberId from, MemberId to) { return link(from, to).blocked; }
  // Everything as it should be, from now on. Connections are new: what was on its way over a slow one is lost.
  void heal();

  const Counts& counts() const { return counts_; }
  size_t fullest_link() const { return fullest_; }

 private:
  struct Link {
    bool blocked = false;
    bool has_quality = false;
    LinkQuality quality;
    env::Instant last_arrival{0};
    env::Instant line_free{0};
    size_t on_the_way = 0;
    uint64_t connection = 0;
  };
  Link& link(MemberId from, MemberId to) { return links_[{from, to}]; }
  const LinkQuality& quality_of(const Link& link) const {
    return link.has_quality ? link.quality : quality_;
  }
  env::Instant arrival(Link& link, const LinkQuality& quality, const raft::Message& message,
                       env::Instant leaves);
  void deliver_at(env::Instant when, raft::Message message);
  void arrive(raft::Message message, uint64_t connection);
  void lose(const raft::Message& message, const LinkQuality& quality);
  bool strikes(uint32_t ppm) { return ppm != 0 && random_.below(1'000'000) < ppm; }

  SimScheduler& scheduler_;
  Random random_;
  LinkQuality quality_;
  std::map<std::pair<MemberId, MemberId>, Link> links_;
  std::map<MemberId, Endpoint> endpoints_;
  Counts counts_;
  size_t fullest_ = 0;
};

}  // namespace holdfast::sim
