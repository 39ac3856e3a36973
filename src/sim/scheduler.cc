#include "sim/scheduler.h"

#include <algorithm>

namespace holdfast::sim {

namespace {
// So few cancelled events are not worth a pass over all.
constexpr size_t kCancelledMin = 64;
}  // namespace

SimScheduler::SimScheduler(uint64_t seed) : random_(seed) {}
SimScheduler::~SimScheduler() = default;

EventId SimScheduler::at(env::Instant when, Task task) {
  const uint32_t slot = take_slot();
  slots_[slot].task = std::move(task);
  const uint32_t generation = slots_[slot].generation;
  const uint64_t tie = static_cast<uint32_t>(random_.next());
  const Entry entry{std::max(when, now_).nanoseconds, tie << 32 | slot, generation};
  heap_.push_back(entry);
  sift_up(heap_.size() - 1, entry);
  return uint64_t{slot} << 32 | generation;
}

void SimScheduler::cancel(EventId id) {
  const auto slot = static_cast<uint32_t>(id >> 32);
  if (id == 0 || slots_[slot].generation != static_cast<uint32_t>(id)) return;
  // Destroyed last: what the task owns may call back.
  const Task gone = std::move(slots_[slot].task);
  release(slot);
  ++cancelled_;
  if (cancelled_ > kCancelledMin && cancelled_ > heap_.size() / 2) drop_all_cancelled();
}

bool SimScheduler::run_one() {
  drop_cancelled_first();
  if (heap_.empty()) return false;
  run_first();
  return true;
}

void SimScheduler::run_until(env::Instant end) {
  while (!stopped_) {
    drop_cancelled_first();
    if (heap_.empty() || heap_.front().when >= end.nanoseconds) break;
    run_first();
  }
  if (!stopped_ && now_ < end) now_ = end;
}

void SimScheduler::run_first() {
  const uint32_t slot = heap_.front().slot();
  now_.nanoseconds = heap_.front().when;
  pop();
  Task task = std::move(slots_[slot].task);
  release(slot);
  ++events_;
  note(static_cast<uint64_t>(now_.nanoseconds));
  task();
}

uint32_t SimScheduler::take_slot() {
  if (free_.empty()) {
    slots_.emplace_back();
    return static_cast<uint32_t>(slots_.size() - 1);
  }
  const uint32_t slot = free_.back();
  free_.pop_back();
  return slot;
}

void SimScheduler::release(uint32_t slot) {
  ++slots_[slot].generation;
  free_.push_back(slot);
}

void SimScheduler::drop_cancelled_first() {
  while (!heap_.empty() && cancelled(heap_.front())) {
    pop();
    --cancelled_;
  }
}

void SimScheduler::drop_all_cancelled() {
  std::erase_if(heap_, [this](const Entry& entry) { return cancelled(entry); });
  cancelled_ = 0;
  for (size_t i = heap_.size() / kWidth + 1; i-- > 0;)
    if (i < heap_.size()) sift_down(i, Entry(heap_[i]));
}

void SimScheduler::pop() {
  const Entry last = heap_.back();
  heap_.pop_back();
  if (!heap_.empty()) sift_down(0, last);
}

// Puts `entry` at `hole` or above it.
void SimScheduler::sift_up(size_t hole, const Entry& entry) {
  while (hole > 0) {
    const size_t parent = (hole - 1) / kWidth;
    if (!entry.before(heap_[parent])) break;
    heap_[hole] = heap_[parent];
    hole = parent;
  }
  heap_[hole] = entry;
}

// Puts `entry` at `hole` or below it.
void SimScheduler::sift_down(size_t hole, const Entry& entry) {
  for (;;) {
    const size_t first = hole * kWidth + 1;
    if (first >= heap_.size()) break;
    size_t least = first;
    const size_t end = std::min(first + kWidth, heap_.size());
    for (size_t child = first + 1; child < end; ++child)
      if (heap_[child].before(heap_[least])) least = child;
    if (!heap_[least].before(entry)) break;
    heap_[hole] = heap_[least];
    hole = least;
  }
  heap_[hole] = entry;
}

void SimScheduler::note(uint64_t fact) {
  uint64_t z = digest_ ^ (fact * 0xbf58476d1ce4e5b9);
  z = (z ^ (z >> 29)) * 0x94d049bb133111eb;
  digest_ = z ^ (z >> 32);
}

}  // namespace holdfast::sim
