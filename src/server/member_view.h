// Implements MemberInfo over what the owners publish. Thread-safe.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "apply/state_machine.h"
#include "backend/backend.h"
#include "raft/status.h"
#include "server/member_info.h"
#include "server/raft_board.h"

namespace holdfast::server {

class MemberView : public MemberInfo {
 public:
  MemberView(MemberId member, ClusterId cluster, const RaftBoard& board)
      : member_(member), cluster_(cluster), board_(board) {}

  // The state to look at; again after a snapshot was installed. Apply executor.
  void show(const apply::StateMachine& machine, std::shared_ptr<const backend::Backend> backend);
  void show_storage_version(std::string version);
  void show_raft_status(raft::Status status);

  MemberId member_id() const override { return member_; }
  ClusterId cluster_id() const override { return cluster_; }
  Term term() const override { return board_.term(); }
  MemberId leader() const override { return board_.lead(); }
  Index committed() const override { return board_.committed(); }
  Index applied() const override { return board_.applied(); }
  bool is_learner() const override { return board_.is_learner(); }
  std::shared_ptr<mvcc::Store> store() const override {
    return store_.load(std::memory_order_acquire);
  }

  int64_t db_size() const override { return backend()->size(); }
  std::vector<apply::Alarm> alarms() const override { return machine_->alarms().list(); }
  std::shared_ptr<const membership::Cluster> cluster() const override { return machine_->cluster(); }
  int64_t db_size_in_use() const override { return backend()->size_in_use(); }
  std::string storage_version() const override;
  std::string raft_status_json() const override;

 private:
  std::shared_ptr<const backend::Backend> backend() const {
    return backend_.load(std::memory_order_acquire);
  }

  const MemberId member_;
  const ClusterId cluster_;
  const RaftBoard& board_;
  const apply::StateMachine* machine_ = nullptr;  // set before anybody asks
  std::atomic<std::shared_ptr<mvcc::Store>> store_;  // shared with readers

  std::atomic<std::shared_ptr<const backend::Backend>> backend_;  // shared with its owner

  mutable std::mutex mutex_;  // guards what follows
  std::string storage_version_;
  std::optional<raft::Status> raft_status_;  // put into words for who asks: few do
};

}  // namespace holdfast::server
