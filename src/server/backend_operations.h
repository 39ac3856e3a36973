// Implements MemberOperations: work on the member's files, handed to the executors that may do it. Thread-safe.
#pragma once

#include "backend/backend.h"
#include "server/member_info.h"

namespace holdfast::server {

class BackendOperations : public MemberOperations {
 public:
  // `background` may be kept busy for as long as a hash of everything takes.
  BackendOperations(env::Executor& apply, env::Executor& background, const MemberInfo& member)
      : apply_(apply), background_(background), member_(member) {}
  // Apply executor; again after a snapshot was installed.
  void use(backend::Backend& backend) { backend_ = &backend; }

  void defragment(env::Executor& reply_on, Done done) override;
  void commit_backend(env::Executor& reply_on, Done done) override;
  void hash(env::Executor& reply_on,
            UniqueFunction<void(absl::StatusOr<BackendHash>)> done) override;
  void hash_kv(env::Executor& reply_on, Revision revision,
               UniqueFunction<void(absl::StatusOr<mvcc::HashResult>)> done) override;

 private:
  env::Executor& apply_;
  env::Executor& background_;
  const MemberInfo& member_;
  backend::Backend* backend_ = nullptr;  // apply executor
};

}  // namespace holdfast::server
