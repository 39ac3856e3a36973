// Changes of the store as watchers are told them, each encoded once: as field 11 of a WatchResponse, whose body is an
// mvccpb.Event (1 type, 2 kv), for any number of responses to take over (WAT-14). Events lie one behind the other, so
// that a run of them is taken over as a whole. Made on one thread, read by many.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "mvcc/store.h"

namespace holdfast::mvcc {

class WatchEvents {
 public:
  struct Event {
    size_t body;  // where it begins, behind its tag and length
    uint32_t body_size;
    uint32_t key_size;
    uint32_t key_offset;  // in the body
    uint32_t revision;  // place in revisions()
    bool deleted;
    bool created;  // a put of a key that wasn't there: it has no previous pair
    uint8_t frame_size;  // of tag and length
  };
  // The events of one revision: [first, first + count).
  struct OfRevision {
    Revision revision;
    size_t first;
    size_t count;
  };

  // Changes of one revision come one after the other, revisions ascend.
  void add(const Change& change);

  bool empty() const { return events_.empty(); }
  size_t size() const { return events_.size(); }
  const Event& operator[](size_t i) const { return events_[i]; }
  std::string_view body(const Event& e) const {
    return {bytes_.get() + e.body, e.body_size};
  }
  // Fields 11 of events first to last.
  std::string_view framed(size_t first, size_t last) const {
    const size_t begin = events_[first].body - events_[first].frame_size;
    return {bytes_.get() + begin, events_[last].body + events_[last].body_size - begin};
  }
  std::string_view key(const Event& e) const {
    return {bytes_.get() + e.body + e.key_offset, e.key_size};
  }
  const std::vector<OfRevision>& revisions() const { return revisions_; }
  Revision revision_of(size_t i) const { return revisions_[events_[i].revision].revision; }
  // Empty again, with the memory that it had.
  void clear();
  size_t capacity_bytes() const { return capacity_ + events_.capacity() * sizeof(Event); }
  // About what it takes.
  size_t memory_bytes() const { return size_ + events_.size() * sizeof(Event); }

 private:
  // Room for so many bytes behind those that are there.
  char* room_for(size_t bytes);

  // By hand: the apply owner pays for every put that anybody might watch, and a string would write the bytes twice.
  std::unique_ptr<char[]> bytes_;
  size_t size_ = 0;
  size_t capacity_ = 0;
  std::vector<Event> events_;
  std::vector<OfRevision> revisions_;
};

// Batches whose last reader has let go, for the next ones: who writes one finds memory that it wrote lately in its own
// cache, and no block goes through malloc on one thread and through free on another. Thread-safe.
class WatchEventsPool : public std::enable_shared_from_this<WatchEventsPool> {
 public:
  // Empty; shared by its writer and readers, comes back here by itself.
  std::shared_ptr<WatchEvents> take();

 private:
  void give_back(std::unique_ptr<WatchEvents> events);

  std::mutex mutex_;  // guards what follows
  std::vector<std::unique_ptr<WatchEvents>> free_;
};

}  // namespace holdfast::mvcc
