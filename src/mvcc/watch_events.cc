#include "mvcc/watch_events.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/wire.h"

namespace holdfast::mvcc {

namespace {

// Of WatchResponse, of Event and of its KeyValue.
constexpr char kEventTag = 11 << 3 | 2;
constexpr char kTypeTag = 1 << 3 | 0, kPairTag = 2 << 3 | 2;
constexpr char kKeyTag = 1 << 3 | 2, kModRevisionTag = 3 << 3 | 0;
// Everything of an event but its key or its pair.
constexpr size_t kFramingBytesMax = 6 + 4 * wire::kVarintBytesMax;
constexpr size_t kBytesMin = 1024;
// Batches of a few hundred puts are under way at a time, one being written and one being read: 1 MiB at most is kept.
constexpr size_t kSpares = 4;
constexpr size_t kSpareBytesMax = 256 * 1024;

}  // namespace

char* WatchEvents::room_for(size_t bytes) {
  if (size_ + bytes > capacity_) {
    const size_t capacity = std::max({capacity_ * 2, size_ + bytes, kBytesMin});
    std::unique_ptr<char[]> grown(new char[capacity]);
    if (size_ != 0) std::memcpy(grown.get(), bytes_.get(), size_);
    bytes_ = std::move(grown);
    capacity_ = capacity;
  }
  return bytes_.get() + size_;
}

void WatchEvents::clear() {
  size_ = 0;
  events_.clear();
  revisions_.clear();
}

void WatchEvents::add(const Change& change) {
  const Revision revision(change.revision.main);
  if (revisions_.empty() || revisions_.back().revision != revision)
    revisions_.push_back({revision, events_.size(), 0});
  ++revisions_.back().count;

  const std::string_view key = change.pair.key;
  const std::string_view encoded = change.pair.encoded;
  Event event{.body = 0,
              .body_size = 0,
              .key_size = static_cast<uint32_t>(key.size()),
              .key_offset = 0,
              .revision = static_cast<uint32_t>(revisions_.size() - 1),
              .deleted = change.deleted,
              .created = !change.deleted && change.pair.create_revision == revision,
              .frame_size = 0};
  char* const frame = room_for(kFramingBytesMax + (change.deleted ? key.size() : encoded.size()));
  char* begin = frame;
  char* end = frame;
  // Once its size is known, and before the rest.
  const auto begin_body = [&](size_t size) {
    *end++ = kEventTag;
    begin = end = wire::write_varint(end, size);
  };
  const auto append = [&end](std::string_view bytes) {
    std::memcpy(end, bytes.data(), bytes.size());
    end += bytes.size();
  };
  if (change.deleted) {
    // The stored record of a delete lacks mod_revision.
    const auto mod_revision = static_cast<uint64_t>(revision.value);
    const size_t pair_size = 1 + wire::varint_size(key.size()) + key.size() + 1 + wire::varint_size(mod_revision);
    begin_body(3 + wire::varint_size(pair_size) + pair_size);
    *end++ = kTypeTag;
    *end++ = 1;
    *end++ = kPairTag;
    end = wire::write_varint(end, pair_size);
    *end++ = kKeyTag;
    end = wire::write_varint(end, key.size());
    event.key_offset = static_cast<uint32_t>(end - begin);
    append(key);
    *end++ = kModRevisionTag;
    end = wire::write_varint(end, mod_revision);
  } else {
    begin_body(1 + wire::varint_size(encoded.size()) + encoded.size());
    *end++ = kPairTag;
    end = wire::write_varint(end, encoded.size());
    // The pair's views point into `encoded`.
    event.key_offset = static_cast<uint32_t>((end - begin) + (key.data() - encoded.data()));
    append(encoded);
  }
  event.body = size_ + static_cast<size_t>(begin - frame);
  event.body_size = static_cast<uint32_t>(end - begin);
  event.frame_size = static_cast<uint8_t>(begin - frame);
  size_ += static_cast<size_t>(end - frame);
  events_.push_back(event);
}

// --- pool ---

std::shared_ptr<WatchEvents> WatchEventsPool::take() {
  std::unique_ptr<WatchEvents> events;
  {
    std::lock_guard lock(mutex_);
    if (!free_.empty()) {
      events = std::move(free_.back());
      free_.pop_back();
    }
  }
  if (events == nullptr) events = std::make_unique<WatchEvents>();
  // Shared by writer and readers; the pool by all batches that are out.
  return {events.release(),
          [pool = shared_from_this()](WatchEvents* e) { pool->give_back(std::unique_ptr<WatchEvents>(e)); }};
}

void WatchEventsPool::give_back(std::unique_ptr<WatchEvents> events) {
  if (events->capacity_bytes() > kSpareBytesMax) return;
  events->clear();
  std::lock_guard lock(mutex_);
  if (free_.size() < kSpares) free_.push_back(std::move(events));
}

}  // namespace holdfast::mvcc
