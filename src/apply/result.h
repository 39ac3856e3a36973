// What applying one command gave: the answer for the proposer, if the proposer is here.
#pragma once

#include <memory>

#include "absl/status/status.h"
#include "base/task.h"
#include "base/types.h"
#include "env/executor.h"
#include "google/protobuf/message_lite.h"

namespace holdfast::apply {

// The physical part of a compaction, which goes on after the command was applied (KV-29). Thread-safe; runs `done` on
// `executor` when the deletion is finished or given up.
class CompactionBarrier {
 public:
  virtual ~CompactionBarrier() = default;
  virtual void on_done(env::Executor& executor, Task done) = 0;
};

struct Result {
  absl::Status status;  // an error of base/errors.h, or OK
  // The command's response message (etcdserverpb.DeleteRangeResponse for a delete, ...), null on error. Its header holds
  // only the revision; the RPC layer fills in the rest.
  std::unique_ptr<google::protobuf::MessageLite> response;
  // Instead of a response that would say nothing else: most puts' answer is no more than this.
  Revision revision{};
  std::shared_ptr<CompactionBarrier> compaction;  // shared by the store and the waiting request; null if none

  // The response, which is of type T. Only with status OK.
  template <class T>
  T& as() {
    if (response == nullptr) {
      auto header_only = std::make_unique<T>();
      header_only->mutable_header()->set_revision(revision.value);
      response = std::move(header_only);
    }
    return static_cast<T&>(*response);
  }
};

}  // namespace holdfast::apply
