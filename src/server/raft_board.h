// What the rest of the member knows of raft and apply without asking their owners: single numbers, published by the
// owner, readable by any thread. Each is right at some recent moment; no two belong to the same moment.
#pragma once

#include <atomic>

#include "base/types.h"
#include "env/clock.h"
#include "raft/ready.h"

namespace holdfast::server {

class RaftBoard {
 public:
  // Published by the raft owner.
  void set_term(Term term) { term_.store(term.value, std::memory_order_relaxed); }
  void set_lead(MemberId lead) { lead_.store(lead.value, std::memory_order_release); }
  void set_state(raft::StateType state) { state_.store(state, std::memory_order_release); }
  void set_committed(Index index) { committed_.store(index.value, std::memory_order_release); }
  void set_is_learner(bool learner) { is_learner_.store(learner, std::memory_order_relaxed); }
  void set_ticked(env::Instant at) { ticked_.store(at.nanoseconds, std::memory_order_relaxed); }
  // Published by the apply owner, after everything up to it can be read.
  void set_applied(Index index, Term term) {
    applied_term_.store(term.value, std::memory_order_relaxed);
    applied_.store(index.value, std::memory_order_release);
  }

  env::Instant ticked() const { return {ticked_.load(std::memory_order_relaxed)}; }  // the last tick
  Term term() const { return Term(term_.load(std::memory_order_relaxed)); }
  MemberId lead() const { return MemberId(lead_.load(std::memory_order_acquire)); }
  raft::StateType state() const { return state_.load(std::memory_order_acquire); }
  bool is_leader() const { return state() == raft::StateType::leader; }
  Index committed() const { return Index(committed_.load(std::memory_order_acquire)); }
  Index applied() const { return Index(applied_.load(std::memory_order_acquire)); }
  Term applied_term() const { return Term(applied_term_.load(std::memory_order_relaxed)); }
  bool is_learner() const { return is_learner_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> term_{0};
  std::atomic<uint64_t> lead_{0};
  std::atomic<raft::StateType> state_{raft::StateType::follower};
  std::atomic<uint64_t> committed_{0};
  std::atomic<bool> is_learner_{false};
  std::atomic<int64_t> ticked_{0};
  // Written by another thread than the ones above: a cache line of its own.
  alignas(64) std::atomic<uint64_t> applied_{0};
  std::atomic<uint64_t> applied_term_{0};
};

}  // namespace holdfast::server
