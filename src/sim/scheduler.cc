#include "sim/scheduler.h"

#include <algorithm>

namespace holdfast::sim {

SimScheduler::SimScheduler(uint64_t seed) : random_(seed) {}
SimScheduler::~SimScheduler() = default;

EventId SimScheduler::at(env::Instant when, Task task) {
  uint32_t slot;
  if (free_.empty()) {
    slot = static_cast<uint32_t>(slots_.size());
    slots_.emplace_back();
  } else {
    slot = free_.back();
    free_.pop_back();
  }
  slots_[slot].task = std::move(task);
  const uint32_t generation = slots_[slot].generation;
  heap_.push_back({std::max(when, now_).nanoseconds, static_cast<uint32_t>(random_.next()), slot,
                   generation});
  std::push_heap(heap_.begin(), heap_.end(), later);
  return uint64_t{slot} << 32 | generation;
}

void SimScheduler::cancel(EventId id) {
  const auto slot = static_cast<uint32_t>(id >> 32);
  if (id == 0 || slots_[slot].generation != static_cast<uint32_t>(id)) return;
  ++slots_[slot].generation;
  free_.push_back(slot);
  // Last: what the task owns may call back.
  const Task gone = std::move(slots_[slot].task);
}

// Cancelled events stay in the heap until their time comes.
bool SimScheduler::pop(Task& task) {
  while (!heap_.empty()) {
    std::pop_heap(heap_.begin(), heap_.end(), later);
    const Entry entry = heap_.back();
    heap_.pop_back();
    Slot& slot = slots_[entry.slot];
    if (slot.generation != entry.generation) continue;
    task = std::move(slot.task);
    ++slot.generation;
    free_.push_back(entry.slot);
    now_.nanoseconds = entry.when;
    return true;
  }
  return false;
}

bool SimScheduler::run_one() {
  Task task;
  if (!pop(task)) return false;
  ++events_;
  note(static_cast<uint64_t>(now_.nanoseconds));
  task();
  return true;
}

void SimScheduler::run_until(env::Instant end) {
  while (!stopped_ && !heap_.empty()) {
    const Entry& next = heap_.front();
    if (slots_[next.slot].generation != next.generation) {
      std::pop_heap(heap_.begin(), heap_.end(), later);
      heap_.pop_back();
      continue;
    }
    if (next.when >= end.nanoseconds) break;
    run_one();
  }
  if (!stopped_ && now_ < end) now_ = end;
}

void SimScheduler::note(uint64_t fact) {
  uint64_t z = digest_ ^ (fact * 0xbf58476d1ce4e5b9);
  z = (z ^ (z >> 29)) * 0x94d049bb133111eb;
  digest_ = z ^ (z >> 32);
}

}  // namespace holdfast::sim
