// Reads that turn out to be long. A read runs on the I/O thread that asked for it, where it holds up all that thread's
// other connections; that is right for the many that look at a key or a page of them, and wrong for one that walks over a
// million. So a read begins where it was asked with a budget; when that is spent it is given up and begun again on a
// thread for such reads. What is lost is the budget, some hundred microseconds of a read that takes far longer.
#pragma once

#include <atomic>
#include <memory>
#include <utility>
#include <vector>

#include "env/executor.h"
#include "server/range_stream.h"

namespace holdfast::server {

// Gives a read up after so many keys, besides when `cancelled` does. One thread.
class ReadBudget {
 public:
  // mvcc asks for each pair that it tells, and where it only counts, for each kIndexStepKeys keys.
  static constexpr int kKeys = 1000;

  explicit ReadBudget(Cancelled cancelled) : cancelled_(cancelled) {}
  ReadBudget(const ReadBudget&) = delete;
  ReadBudget& operator=(const ReadBudget&) = delete;

  // For the read; the budget must outlive it.
  Cancelled cancelled() {
    return {[](const void* self) { return static_cast<const ReadBudget*>(self)->ask(); }, this};
  }
  bool spent() const { return left_ == 0; }

 private:
  bool ask() const {
    if (left_ > 0) --left_;
    return left_ == 0 || (cancelled_.ask != nullptr && cancelled_.ask(cancelled_.whom));
  }

  const Cancelled cancelled_;
  mutable int left_ = kKeys;
};

// Threads for long reads, in turn. Thread-safe.
class LongReads {
 public:
  // None: all reads stay where they were asked. The executors outlive this, and are stopped before the store closes.
  explicit LongReads(std::vector<env::Executor*> executors) : executors_(std::move(executors)) {}

  // `waiting` has a CallContext `context` and a Cancelled `cancelled`. `finish(*waiting, read(*waiting, cancelled))`: the read
  // here or on one of the threads, the end always where it was asked.
  template <class Waiting, class Read, class Finish>
  void carry_out(std::unique_ptr<Waiting> waiting, Read read, Finish finish) {
    if (executors_.empty()) return finish(*waiting, read(*waiting, waiting->cancelled));
    ReadBudget budget(waiting->cancelled);
    auto answer = read(*waiting, budget.cancelled());
    if (!budget.spent()) return finish(*waiting, std::move(answer));
    next()->post([read, finish, waiting = std::move(waiting)]() mutable {
      auto answer = read(*waiting, waiting->cancelled);
      env::Executor& asked_on = *waiting->context.reply_on;
      asked_on.post([finish, waiting = std::move(waiting), answer = std::move(answer)]() mutable {
        finish(*waiting, std::move(answer));
      });
    });
  }

 private:
  env::Executor* next() { return executors_[next_.fetch_add(1, std::memory_order_relaxed) % executors_.size()]; }

  const std::vector<env::Executor*> executors_;
  std::atomic<size_t> next_ = 0;
};

}  // namespace holdfast::server
