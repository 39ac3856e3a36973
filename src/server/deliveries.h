// Answers for several executors, with one task for each of them: hundreds are given at a time, and a task and a wake-up for
// each would cost more than they do.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "env/executor.h"

namespace holdfast::server {

template <class Answer>
class Deliveries {
 public:
  // `expected`: answers in all.
  explicit Deliveries(size_t expected) : expected_(expected) {}

  void add(env::Executor& executor, Answer answer) { of(executor).push_back(std::move(answer)); }
  // Posts everything: `give(answer)` runs on the executor of each, in the order of add().
  template <class Give>
  void post(Give give) {
    for (auto& [executor, answers] : deliveries_)
      executor->post([answers = std::move(answers), give]() mutable {
        for (Answer& answer : answers) give(answer);
      });
    deliveries_.clear();
  }

 private:
  struct Delivery {
    env::Executor* executor;
    std::vector<Answer> answers;
  };

  std::vector<Answer>& of(env::Executor& executor) {
    for (Delivery& delivery : deliveries_)
      if (delivery.executor == &executor) return delivery.answers;
    std::vector<Answer>& answers = deliveries_.emplace_back(Delivery{&executor, {}}).answers;
    answers.reserve(expected_);
    return answers;
  }

  const size_t expected_;
  std::vector<Delivery> deliveries_;  // as many as there are I/O threads
};

}  // namespace holdfast::server
