// The network between the members: every directed link delays, and may lose, repeat, reorder or block. Streams keep their
// order, as TCP does, unless reordering strikes. Snapshots travel on streams of their own, as slow as they are big. What
// raft would not take twice without harm, a forwarded proposal, no transport of etcd's repeats, and neither does this one.
//
// A message is delivered to whoever answers to its member's id when it arrives, also if that process was started after it
// was sent. What is lost may be reported to the sender as unreachable, as a broken connection would be.
//
// Links join addresses, which are the machines': a member's id comes and goes, its machine stays where it is.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "base/random.h"
#include "base/task.h"
#include "base/types.h"
#include "env/clock.h"
#include "raft/message.h"
#include "sim/scheduler.h"

namespace holdfast::sim {

// Messages on the way over one link; more are dropped and reported (etcd: streamBufSize, 4096).
inline constexpr size_t kLinkMessagesMax = 4096;

struct Address {
  uint32_t value = 0;
  auto operator<=>(const Address&) const = default;
};

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
  };
  struct Counts {
    uint64_t sent = 0;
    uint64_t delivered = 0;
    uint64_t lost = 0;
    uint64_t duplicated = 0;
    uint64_t reordered = 0;
    uint64_t refused = 0;  // the link was full
    uint64_t broken = 0;   // streams
  };

  explicit SimNetwork(SimScheduler& scheduler);

  // Where that member is from now on, if it is anywhere.
  void attach(MemberId id, Address at, Endpoint endpoint);
  // `at`: when its process ended. What would have left later does not leave.
  void detach(MemberId id, env::Instant at);

  // `leaves`: when the message is handed over, not before now. Nobody has told where unknown members are: lost.
  void send(Address from, raft::Message message, env::Instant leaves);
  // A piece of a stream that is not raft's: of a snapshot, or of a call of one member to another. Either `arrives` runs, or
  // the connection breaks: then `breaks` does, at the sender's, soon or after a while. Loss makes it late, as TCP does, or
  // breaks it.
  void carry(Address from, Address to, uint64_t bytes, env::Instant leaves, Task arrives, Task breaks);

  // Is shown every message when it is handed over, within the sender's task.
  void on_send(std::function<void(const raft::Message&)> listener) { listener_ = std::move(listener); }

  // Of links that have no quality of their own.
  void set_quality(const LinkQuality& quality) { quality_ = quality; }
  void set_quality(Address from, Address to, const LinkQuality& quality);
  // One way.
  void block(Address from, Address to) { link(from, to).blocked = true; }
  void unblock(Address from, Address to) { link(from, to).blocked = false; }
  bool blocked(Address from, Address to) { return link(from, to).blocked; }
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
  // A process that sends. Shared with what it sent that is on its way.
  struct Sender {
    env::Instant ended{INT64_MAX};
  };
  struct Attached {
    Endpoint endpoint;
    std::shared_ptr<Sender> sender = std::make_shared<Sender>();
  };
  // On its way.
  struct Sent {
    raft::Message message;
    std::shared_ptr<const Sender> sender;  // null: nobody who may end
    env::Instant leaves;
    bool left() const { return sender == nullptr || leaves <= sender->ended; }
  };
  Link& link(Address from, Address to) { return links_[{from, to}]; }
  const LinkQuality& quality_of(const Link& link) const {
    return link.has_quality ? link.quality : quality_;
  }
  env::Instant arrival(Link& link, const LinkQuality& quality, const raft::Message& message,
                       env::Instant leaves);
  void deliver_at(env::Instant when, Link& link, Sent sent);
  void arrive(Link& link, Sent sent, uint64_t connection);
  void break_off(Task breaks);
  void lose(const raft::Message& message, const LinkQuality& quality);
  bool strikes(uint32_t ppm) { return ppm != 0 && random_.below(1'000'000) < ppm; }

  SimScheduler& scheduler_;
  Random random_;
  LinkQuality quality_;
  std::map<std::pair<Address, Address>, Link> links_;  // never shrinks: references stay good
  std::map<MemberId, Address> places_;
  std::map<MemberId, Attached> endpoints_;
  std::function<void(const raft::Message&)> listener_;
  Counts counts_;
  size_t fullest_ = 0;
};

}  // namespace holdfast::sim
