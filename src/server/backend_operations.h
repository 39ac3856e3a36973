// Implements MemberOperations: work on the member's files, handed to the executors that may do it. Thread-safe.
#pragma once

#include "backend/backend.h"
#include "server/backend_snapshots.h"
#include "server/member_info.h"

namespace holdfast::server {

class BackendOperations : public MemberOperations {
 public:
  // `background` may be kept busy for as long as a hash of everything takes.
  BackendOperations(env::Executor& apply, env::Executor& background, const MemberInfo& member,
                    BackendSnapshots& snapshots)
      : apply_(apply), background_(background), member_(member), snapshots_(snapshots) {}
  // Apply executor; again after a snapshot was installed.
  void use(std::shared_ptr<backend::Backend> backend) { backend_ = std::move(backend); }

  void defragment(env::Executor& reply_on, Done done) override;
  void commit_backend(env::Executor& reply_on, Done done) override;
  void open_snapshot(
      env::Executor& reply_on,
      UniqueFunction<void(absl::StatusOr<std::unique_ptr<SnapshotPieces>>)> done) override;
  void hash(env::Executor& reply_on,
            UniqueFunction<void(absl::StatusOr<BackendHash>)> done) override;
  void hash_kv(env::Executor& reply_on, Revision revision,
               UniqueFunction<void(absl::StatusOr<mvcc::HashResult>)> done) override;

 private:
  env::Executor& apply_;
  env::Executor& background_;
  const MemberInfo& member_;
  BackendSnapshots& snapshots_;
  std::shared_ptr<backend::Backend> backend_;  // apply executor; shared with work under way
};

}  // namespace holdfast::server
