#include "server/member_view.h"

namespace holdfast::server {

void MemberView::show(const apply::StateMachine& machine,
                      std::shared_ptr<const backend::Backend> backend) {
  machine_ = &machine;
  store_.store(machine.store(), std::memory_order_release);
  backend_.store(std::move(backend), std::memory_order_release);
}

void MemberView::show_storage_version(std::string version) {
  std::lock_guard lock(mutex_);
  storage_version_ = std::move(version);
}

void MemberView::show_raft_status(raft::Status status) {
  std::lock_guard lock(mutex_);
  raft_status_ = std::move(status);
}

std::string MemberView::storage_version() const {
  std::lock_guard lock(mutex_);
  return storage_version_;
}

std::string MemberView::raft_status_json() const {
  std::lock_guard lock(mutex_);
  return raft_status_ ? raft::to_json(*raft_status_) : "null";
}

}  // namespace holdfast::server
