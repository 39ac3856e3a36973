// Proposals that wait here for their result, by request id (etcd pkg/wait; parity PUT-07, PUT-08). Only the member that
// proposed has a waiter. Thread-safe: I/O threads register, the apply owner triggers, the raft owner expires.
//
// Each waiter is answered exactly once, by a task on its own executor: by trigger() or trigger_all(), when it is due, or
// by close().
#pragma once

#include <deque>
#include <memory>
#include <mutex>
#include <queue>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "apply/result.h"
#include "server/request_metrics.h"
#include "server/request_path.h"

namespace holdfast::server {

class WaitTable {
 public:
  struct Waiter {
    env::Executor* reply_on;
    env::Instant started;
    env::Instant deadline;
    Command command;
    ProposalDone done;
  };

  struct Answer {
    uint64_t id;
    std::unique_ptr<apply::Result> result;
  };

  WaitTable(const env::Clock& clock, RequestMetrics& metrics) : clock_(clock), metrics_(metrics) {}

  // The id must not be registered (a repeated id is a broken invariant). After close(): answers `stopped`.
  void add(uint64_t id, Waiter waiter);
  bool contains(uint64_t id) const;
  // Answers the waiter; false if there is none.
  bool trigger(uint64_t id, std::unique_ptr<apply::Result> result);
  bool fail(uint64_t id, absl::Status status);
  // The same for many, with one task an executor. Empties `answers`.
  void trigger_all(std::vector<Answer>& answers);

  // Removes waiters whose deadline has passed and hands them over; the caller answers them, since which timeout it was
  // (PUT-10) depends on what raft knows.
  std::vector<Waiter> take_due(env::Instant now);
  void give_up(Waiter waiter, absl::Status status);
  // Answers somebody who was never in the table.
  static void answer(Waiter waiter, absl::Status status);

  // Answers all with `status`, and everybody who comes later.
  void close(const absl::Status& status);
  size_t size() const;

 private:
  struct Due {
    env::Instant deadline;
    uint64_t id;
    bool operator>(const Due& other) const { return deadline > other.deadline; }
  };
  void drop_finished_locked();
  void count(const Waiter& waiter, bool success, RequestMetrics::Outcome outcome);

  const env::Clock& clock_;
  RequestMetrics& metrics_;
  mutable std::mutex mutex_;
  absl::flat_hash_map<uint64_t, Waiter> waiters_;
  // Deadlines mostly arrive in rising order (now + ReqTimeout): those go into a queue whose finished front is dropped as
  // we go, so it stays as long as what waits. The others, with a client's shorter deadline, go into a heap.
  std::deque<Due> rising_;
  std::priority_queue<Due, std::vector<Due>, std::greater<>> others_;
  absl::Status closed_;
};

}  // namespace holdfast::server
