// Tasks in the order in which they are ready; those of one instant in the order of posting. Mostly a handful, posted at the
// end and taken from the front: no memory is asked for once there has been room for the most.
#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <utility>
#include <vector>

#include "base/task.h"

namespace holdfast::sim {

class TaskQueue {
 public:
  bool empty() const { return taken_ == tasks_.size(); }
  size_t size() const { return tasks_.size() - taken_; }
  // When the first is ready. Not empty.
  int64_t first_ready() const { return tasks_[taken_].ready; }

  void insert(int64_t ready, Task task) {
    auto place = tasks_.end();
    while (place != first() && std::prev(place)->ready > ready) --place;
    tasks_.insert(place, Queued{ready, std::move(task)});
  }
  // The first. Not empty.
  Task take() {
    Task task = std::move(tasks_[taken_].task);
    ++taken_;
    if (empty()) {
      tasks_.clear();
      taken_ = 0;
    } else if (taken_ > kTakenMax && taken_ > size()) {
      tasks_.erase(tasks_.begin(), first());
      taken_ = 0;
    }
    return task;
  }

 private:
  // Empty places in front; that many are not worth moving the rest.
  static constexpr size_t kTakenMax = 64;

  struct Queued {
    int64_t ready;
    Task task;
  };
  std::vector<Queued>::iterator first() { return tasks_.begin() + static_cast<ptrdiff_t>(taken_); }

  std::vector<Queued> tasks_;
  size_t taken_ = 0;  // of tasks_, from its front
};

}  // namespace holdfast::sim
