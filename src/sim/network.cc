#include "sim/network.h"

#include <algorithm>

#include "raft/codec.h"

namespace holdfast::sim {

namespace {
// A frame's share beside entries and snapshots.
constexpr uint64_t kMessageBytes = 64;
// Until whoever sent into a broken stream knows, at most: a peer's write timeout.
constexpr int64_t kBreakNoticedMax = 5'000'000'000;

uint64_t size_of(const raft::Message& message) {
  uint64_t bytes = kMessageBytes + message.context.size();
  for (const raft::Entry& entry : message.entries) bytes += entry.data.size() + 16;
  return bytes;
}

env::Duration line_time(uint64_t bytes, uint64_t bytes_per_second) {
  if (bytes_per_second == 0) return env::Duration(0);
  return env::Duration(static_cast<int64_t>(
      static_cast<unsigned __int128>(bytes) * 1'000'000'000 / bytes_per_second));
}
}  // namespace

SimNetwork::SimNetwork(SimScheduler& scheduler)
    : scheduler_(scheduler), random_(scheduler.random().fork()) {}

void SimNetwork::attach(MemberId id, Address at, Endpoint endpoint) {
  places_[id] = at;
  endpoints_.insert_or_assign(id, Attached{std::move(endpoint)});
}

void SimNetwork::detach(MemberId id, env::Instant at) {
  const auto found = endpoints_.find(id);
  if (found == endpoints_.end()) return;
  found->second.sender->ended = at;
  endpoints_.erase(found);
}

void SimNetwork::set_quality(Address from, Address to, const LinkQuality& quality) {
  Link& l = link(from, to);
  l.has_quality = true;
  l.quality = quality;
}

void SimNetwork::heal() {
  quality_ = LinkQuality{};
  for (auto& [ends, link] : links_) {
    link.blocked = false;
    link.has_quality = false;
    link.line_free = std::min(link.line_free, scheduler_.now());
    link.last_arrival = env::Instant{0};
    link.on_the_way = 0;
    ++link.connection;
  }
}

env::Instant SimNetwork::arrival(Link& link, const LinkQuality& quality,
                                 const raft::Message& message, env::Instant leaves) {
  const env::Duration longest = strikes(quality.slow_ppm) ? quality.slow_max : quality.delay_max;
  const env::Duration delay(random_.between(quality.delay_min.count(),
                                            std::max(quality.delay_min, longest).count()));
  link.line_free = std::max(link.line_free, leaves) +
                   line_time(size_of(message), quality.bytes_per_second);
  env::Instant when = link.line_free + delay;
  if (strikes(quality.reorder_ppm)) {
    ++counts_.reordered;
    return when + env::Duration(random_.between(0, quality.slow_max.count()));
  }
  when = std::max(when, link.last_arrival + env::Duration(1));
  link.last_arrival = when;
  return when;
}

void SimNetwork::send(Address from, raft::Message message, env::Instant leaves) {
  ++counts_.sent;
  if (listener_) listener_(message);
  const auto place = places_.find(message.to);
  if (place == places_.end()) return lose(message, quality_);
  Link& l = link(from, place->second);
  const LinkQuality& quality = quality_of(l);
  if (l.on_the_way >= kLinkMessagesMax) {
    ++counts_.refused;
    return lose(message, quality);
  }
  if (l.blocked || strikes(quality.loss_ppm)) return lose(message, quality);
  const env::Instant when = arrival(l, quality, message, leaves);
  const auto sender = endpoints_.find(message.from);
  Sent sent{std::move(message), sender == endpoints_.end() ? nullptr : sender->second.sender, leaves};
  if (sent.message.type != raft::MessageType::prop && strikes(quality.duplicate_ppm)) {
    ++counts_.duplicated;
    deliver_at(when + env::Duration(random_.between(0, quality.slow_max.count())), l, sent);
  }
  deliver_at(when, l, std::move(sent));
}

void SimNetwork::carry(Address from, Address to, uint64_t bytes, env::Instant leaves, Task arrives, Task breaks) {
  Link& l = link(from, to);
  const LinkQuality& quality = quality_of(l);
  const bool lost = strikes(quality.loss_ppm);
  if (l.blocked || (lost && random_.chance(1, 4))) return break_off(std::move(breaks));
  const env::Duration longest = lost || strikes(quality.slow_ppm) ? quality.slow_max : quality.delay_max;
  const env::Duration delay(
      random_.between(quality.delay_min.count(), std::max(quality.delay_min, longest).count()));
  struct Piece {
    Task arrives;
    Task breaks;
  };
  // Task is small; two are not.
  auto piece = std::make_unique<Piece>(Piece{std::move(arrives), std::move(breaks)});
  scheduler_.at(leaves + delay + line_time(bytes, quality.snapshot_bytes_per_second),
                [this, &l, piece = std::move(piece), connection = l.connection] {
                  if (l.blocked || l.connection != connection) return break_off(std::move(piece->breaks));
                  piece->arrives();
                });
}

void SimNetwork::break_off(Task breaks) {
  ++counts_.broken;
  scheduler_.after(env::Duration(random_.between(1'000'000, kBreakNoticedMax)), std::move(breaks));
}

void SimNetwork::deliver_at(env::Instant when, Link& l, Sent sent) {
  fullest_ = std::max(fullest_, ++l.on_the_way);
  // Task is small; a message is not.
  auto carried = std::make_unique<Sent>(std::move(sent));
  scheduler_.at(when, [this, &l, carried = std::move(carried), connection = l.connection] {
    arrive(l, std::move(*carried), connection);
  });
}

void SimNetwork::arrive(Link& l, Sent sent, uint64_t connection) {
  raft::Message& message = sent.message;
  if (l.connection != connection) return lose(message, quality_of(l));
  --l.on_the_way;
  if (!sent.left()) return;
  auto receiver = endpoints_.find(message.to);
  if (l.blocked || receiver == endpoints_.end()) return lose(message, quality_of(l));
  ++counts_.delivered;
  scheduler_.note(message.to.value ^ message.from.value << 8 ^
                  static_cast<uint64_t>(message.type) << 16 ^ message.index.value << 24 ^
                  message.term.value << 48);
  receiver->second.endpoint.receive(std::move(message));
}

void SimNetwork::lose(const raft::Message& message, const LinkQuality& quality) {
  ++counts_.lost;
  if (endpoints_.contains(message.from) && strikes(quality.report_ppm)) {
    scheduler_.after(std::chrono::milliseconds(1), [this, from = message.from, to = message.to] {
      auto sender = endpoints_.find(from);
      if (sender != endpoints_.end()) sender->second.endpoint.unreachable(to);
    });
  }
}

}  // namespace holdfast::sim
