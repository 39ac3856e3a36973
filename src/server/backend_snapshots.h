// States of the backend that are being read as bbolt files: for peers, and for Maintenance.Snapshot (etcd
// backend.Snapshot). Each is one committed state; what is written meanwhile doesn't change it, it only costs pages in the
// backend's file until the reading is over.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "absl/status/statusor.h"
#include "backend/backend.h"
#include "base/task.h"
#include "env/executor.h"
#include "env/metrics.h"
#include "server/snapshot_transfer.h"

namespace holdfast::server {

class BackendSnapshots {
 public:
  struct Opened {
    uint64_t bytes = 0;  // of the whole file
    std::unique_ptr<SnapshotBody> body;
  };
  // Sizes are counted on `background`, which takes a walk over all keys.
  BackendSnapshots(env::Executor& background, env::Metrics& metrics);
  ~BackendSnapshots();

  // On the backend's owner's executor, at an entry boundary: makes everything put so far durable and opens just that.
  // `done` runs on the background executor. Errors: `stopped`.
  void open(std::shared_ptr<backend::Backend> backend, UniqueFunction<void(absl::StatusOr<Opened>)> done);

  // Any thread, before the backend is closed. When it returns nothing is being read any more: all bodies answer
  // `stopped` from now on.
  void close();

 private:
  class State;
  class Body;
  bool enter(const std::shared_ptr<State>& state);

  env::Executor& background_;
  env::Histogram& seconds_;
  std::mutex mutex_;  // guards what follows
  bool closed_ = false;
  std::vector<std::weak_ptr<State>> states_;  // shared with the bodies; those that are gone leave when one comes
};

}  // namespace holdfast::server
