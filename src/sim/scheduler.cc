#include "sim/scheduler.h"

#include <algorithm>

namespace holdfast::sim {

namespace {
// How far beyond the next event the heap reaches.
constexpr int64_t kNear = 250'000'000;
}  // namespace

SimScheduler::SimScheduler(uint64_t seed) : random_(seed) {}
SimScheduler::~SimScheduler() = default;

EventId SimScheduler::at(env::Instant when, Task task) {
  const uint32_t slot = take_slot();
  slots_[slot].task = std::move(task);
  const uint32_t generation = slots_[slot].generation;
  const uint64_t tie = static_cast<uint32_t>(random_.next());
  const Entry entry{std::max(when, now_).nanoseconds, tie << 32 | slot, generation};
  if (entry.when < horizon_)
    push(entry);
  else
    far_.push_back(entry);
  return uint64_t{slot} << 32 | generation;
}

void SimScheduler::cancel(EventId id) {
  const auto slot = static_cast<uint32_t>(id >> 32);
  if (id == 0 || slots_[slot].generation != static_cast<uint32_t>(id)) return;
  // Destroyed last: what the task owns may call back.
  const Task gone = std::move(slots_[slot].task);
  release(slot);
}

bool SimScheduler::run_one() {
  if (first() == nullptr) return false;
  run_first();
  return true;
}

void SimScheduler::run_until(env::Instant end) {
  while (!stopped_) {
    const Entry* next = first();
    if (next == nullptr || next->when >= end.nanoseconds) break;
    run_first();
  }
  if (!stopped_ && now_ < end) now_ = end;
}

void SimScheduler::run_first() {
  const Entry& entry = next_ ? *next_ : heap_.front();
  const uint32_t slot = entry.slot();
  now_.nanoseconds = entry.when;
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

const SimScheduler::Entry* SimScheduler::first() {
  for (;;) {
    if (next_ && !cancelled(*next_)) return &*next_;
    next_.reset();
    while (!heap_.empty() && cancelled(heap_.front())) pop_heap();
    if (!heap_.empty()) return &heap_.front();
    if (far_.empty()) return nullptr;
    bring_nearer();
  }
}

void SimScheduler::bring_nearer() {
  std::erase_if(far_, [this](const Entry& entry) { return cancelled(entry); });
  if (far_.empty()) return;
  const auto next = std::min_element(far_.begin(), far_.end(),
                                     [](const Entry& a, const Entry& b) { return a.when < b.when; });
  horizon_ = next->when + kNear;
  std::erase_if(far_, [this](const Entry& entry) {
    if (entry.when >= horizon_) return false;
    push(entry);
    return true;
  });
}

void SimScheduler::push(const Entry& entry) {
  if (!next_ && (heap_.empty() || entry.before(heap_.front()))) {
    next_ = entry;
  } else if (next_ && entry.before(*next_)) {
    push_on_heap(*next_);
    next_ = entry;
  } else {
    push_on_heap(entry);
  }
}

void SimScheduler::push_on_heap(const Entry& entry) {
  size_t hole = heap_.size();
  heap_.push_back(entry);
  while (hole > 0) {
    const size_t parent = (hole - 1) / kWidth;
    if (!entry.before(heap_[parent])) break;
    heap_[hole] = heap_[parent];
    hole = parent;
  }
  heap_[hole] = entry;
}

void SimScheduler::pop() {
  if (next_)
    next_.reset();
  else
    pop_heap();
}

void SimScheduler::pop_heap() {
  const Entry last = heap_.back();
  heap_.pop_back();
  if (heap_.empty()) return;
  size_t hole = 0;
  for (size_t child = 1; child < heap_.size(); child = hole * kWidth + 1) {
    size_t least = child;
    const size_t end = std::min(child + kWidth, heap_.size());
    while (++child < end)
      if (heap_[child].before(heap_[least])) least = child;
    if (!heap_[least].before(last)) break;
    heap_[hole] = heap_[least];
    hole = least;
  }
  heap_[hole] = last;
}

void SimScheduler::note(uint64_t fact) {
  uint64_t z = digest_ ^ (fact * 0xbf58476d1ce4e5b9);
  z = (z ^ (z >> 29)) * 0x94d049bb133111eb;
  digest_ = z ^ (z >> 32);
}

}  // namespace holdfast::sim
