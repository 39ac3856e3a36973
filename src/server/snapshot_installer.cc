#include "server/snapshot_installer.h"

#include "base/errors.h"
#include "fmt/format.h"
#include "server/snapshot_import.h"
#include "wal/snap_file.h"

namespace holdfast::server {

struct SnapshotInstaller::Job {
  std::shared_ptr<backend::Backend> current;  // shared with its readers
  raft::SnapshotMetadata snapshot;
  std::string path;
  Task done;
  std::unique_ptr<backend::Engine> successor;
};

SnapshotInstaller::SnapshotInstaller(Parts parts, std::string snap_dir)
    : parts_(std::move(parts)),
      snap_dir_(std::move(snap_dir)),
      in_progress_(parts_.metrics.gauge("etcd_server_snapshot_apply_in_progress_total",
                                        "1 if the server is applying the incoming snapshot. 0 if none.")) {}

void SnapshotInstaller::install(std::shared_ptr<backend::Backend> current,
                                const raft::SnapshotMetadata& snapshot, Task done) {
  in_progress_.set(1);
  parts_.log.info("applying snapshot", {{"current-applied-index", parts_.machine.consistent_index()},
                                        {"incoming-leader-snapshot-index", snapshot.index},
                                        {"incoming-leader-snapshot-term", snapshot.term}});
  // Shared by the steps, which run on three executors one after the other.
  auto job = std::make_shared<Job>();
  *job = {std::move(current), snapshot, snap_dir_ + "/" + wal::database_file_name(snapshot.index),
          std::move(done), nullptr};
  parts_.background.post([this, job = std::move(job)]() mutable { build(std::move(job)); });
}

bool SnapshotInstaller::failed(const absl::Status& status, const Job& job) {
  if (stopped_.load(std::memory_order_acquire)) return true;
  if (!status.ok())
    parts_.process.die(fmt::format("failed to install the snapshot at index {}: {}",
                                   job.snapshot.index.value, message(status)));
  return false;
}

void SnapshotInstaller::build(std::shared_ptr<Job> job) {
  auto successor = job->current->make_successor();
  if (failed(successor.status(), *job)) return;
  job->successor = *std::move(successor);
  const absl::Status imported =
      import_snapshot(parts_.files, job->path, job->snapshot, *job->successor,
                      [this] { return stopped_.load(std::memory_order_relaxed); });
  if (failed(imported, *job)) return;
  hand_over(std::move(job));
}

void SnapshotInstaller::hand_over(std::shared_ptr<Job> job) {
  backend::Backend& current = *job->current;
  backend::Engine& successor = *job->successor;
  current.hand_over(successor, [this, job = std::move(job)](const absl::Status& status) mutable {
    if (failed(status, *job)) return;
    parts_.apply.post([this, job = std::move(job)]() mutable { go_over(std::move(job)); });
  });
}

void SnapshotInstaller::go_over(std::shared_ptr<Job> job) {
  if (failed(absl::OkStatus(), *job)) return;
  std::shared_ptr<backend::Backend> backend = parts_.make_backend(std::move(job->successor));
  if (failed(parts_.machine.install(*backend), *job)) return;
  job->current.reset();
  parts_.show(std::move(backend));
  in_progress_.set(0);
  parts_.log.info("applied snapshot", {{"incoming-leader-snapshot-index", job->snapshot.index},
                                       {"incoming-leader-snapshot-term", job->snapshot.term}});
  parts_.background.post([&files = parts_.files, &log = parts_.log, path = job->path] {
    if (absl::Status s = files.remove(path); !s.ok())
      log.warn("failed to remove an installed snapshot", {{"path", path}, {"error", message(s)}});
  });
  job->done();
}

}  // namespace holdfast::server
