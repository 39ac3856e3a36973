#include "server/backend_operations.h"

#include "mvcc/store.h"
#include "server/snapshot_pieces.h"

namespace holdfast::server {

void BackendOperations::defragment(env::Executor& reply_on, Done done) {
  apply_.post([this, &reply_on, done = std::move(done)]() mutable {
    // Shared because the backend's callback must be copyable; called once.
    auto shared = std::make_shared<Done>(std::move(done));
    backend_->defragment([&reply_on, shared](absl::Status status) {
      reply_on.post([shared, status] { (*shared)(status); });
    });
  });
}

void BackendOperations::commit_backend(env::Executor& reply_on, Done done) {
  apply_.post([this, &reply_on, done = std::move(done)]() mutable {
    backend_->force_commit([&reply_on, done = std::move(done)]() mutable {
      reply_on.post([done = std::move(done)]() mutable { done(absl::OkStatus()); });
    });
  });
}

void BackendOperations::open_snapshot(
    env::Executor& reply_on,
    UniqueFunction<void(absl::StatusOr<std::unique_ptr<SnapshotPieces>>)> done) {
  apply_.post([this, &reply_on, done = std::move(done)]() mutable {
    snapshots_.open(backend_, [this, &reply_on, done = std::move(done)](
                                  absl::StatusOr<BackendSnapshots::Opened> opened) mutable {
      absl::StatusOr<std::unique_ptr<SnapshotPieces>> pieces = nullptr;
      if (opened.ok()) {
        pieces = std::make_unique<SnapshotPieces>(opened->bytes, std::move(opened->body),
                                                  member_.storage_version(), background_);
      } else {
        pieces = opened.status();
      }
      reply_on.post([done = std::move(done), pieces = std::move(pieces)]() mutable {
        done(std::move(pieces));
      });
    });
  });
}

void BackendOperations::hash(env::Executor& reply_on,
                             UniqueFunction<void(absl::StatusOr<BackendHash>)> done) {
  apply_.post([this, &reply_on, done = std::move(done)]() mutable {
    const Revision revision = member_.store()->current_revision();
    // The committer takes the hash, so that no later batch gets into it.
    backend_->force_commit(
        [backend = backend_, &reply_on, revision, done = std::move(done)]() mutable {
          const BackendHash hash{backend->hash(), revision};
          reply_on.post([done = std::move(done), hash]() mutable { done(hash); });
        });
  });
}

void BackendOperations::hash_kv(env::Executor& reply_on, Revision revision,
                                UniqueFunction<void(absl::StatusOr<mvcc::HashResult>)> done) {
  background_.post([this, &reply_on, revision, done = std::move(done)]() mutable {
    absl::StatusOr<mvcc::HashResult> hash = member_.store()->hash_kv(revision);
    reply_on.post([done = std::move(done), hash = std::move(hash)]() mutable {
      done(std::move(hash));
    });
  });
}

}  // namespace holdfast::server
