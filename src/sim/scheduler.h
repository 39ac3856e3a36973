// Virtual time. Events happen in order of their instant; those of the same instant in an order drawn from the seed. Time
// jumps from event to event, so an idle hour costs nothing. Same seed and same calls: same run, bit for bit.
//
// One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/random.h"
#include "base/task.h"
#include "env/clock.h"

namespace holdfast::sim {

using EventId = uint64_t;  // 0 = none

class SimScheduler {
 public:
  explicit SimScheduler(uint64_t seed);
  ~SimScheduler();

  env::Instant now() const { return now_; }
  // An instant in the past means now.
  EventId at(env::Instant when, Task task);
  EventId after(env::Duration delay, Task task) { return at(now_ + delay, std::move(task)); }
  // Nothing happens if the event is over.
  void cancel(EventId id);

  // Moves to the next event and runs it. False if there is none.
  bool run_one();
  // Runs all events before `end`, then stands at `end`.
  void run_until(env::Instant end);
  // Lets run_until() return after the event under way.
  void stop() { stopped_ = true; }
  bool stopped() const { return stopped_; }

  // Draws that decide what happens (delays, faults). Everything random in a run descends from here.
  Random& random() { return random_; }

  // What two runs must agree on. note() mixes a fact in; the order counts.
  void note(uint64_t fact);
  uint64_t digest() const { return digest_; }
  uint64_t events() const { return events_; }

 private:
  struct Entry {
    int64_t when;
    uint64_t order;  // among those of one instant: the draw above, the slot below
    uint32_t generation;

    uint32_t slot() const { return static_cast<uint32_t>(order); }
    bool before(const Entry& other) const {
      return when != other.when ? when < other.when : order < other.order;
    }
  };
  struct Slot {
    Task task;
    uint32_t generation = 1;
  };
  bool cancelled(const Entry& entry) const { return slots_[entry.slot()].generation != entry.generation; }
  uint32_t take_slot();
  void release(uint32_t slot);
  void run_first();
  // The next event, cancelled ones dropped. Null if there is none.
  const Entry* first();
  void bring_nearer();
  void push(const Entry& entry);
  void push_on_heap(const Entry& entry);
  void pop();
  void pop_heap();

  Random random_;
  env::Instant now_{0};
  // The next one, if it is known: a task mostly leads to the next one, and then the heap is left alone.
  std::optional<Entry> next_;
  // The others before horizon_, as a heap: each is before the kWidth that stand at kWidth times its place and behind.
  static constexpr size_t kWidth = 4;
  std::vector<Entry> heap_;
  // The others, in no order: most are somebody's patience, and cancelled before they come near.
  std::vector<Entry> far_;
  int64_t horizon_ = 0;
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_;
  uint64_t digest_ = 0x9e3779b97f4a7c15;
  uint64_t events_ = 0;
  bool stopped_ = false;
};

}  // namespace holdfast::sim
