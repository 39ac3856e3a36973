// Keeps meta's storageVersion at the cluster's version (etcd storage/schema; parity BKT-03, VER-04, VER-05): from 3.6 on
// it says which schema the backend has. Not replicated: each member follows on its own, and HashKV leaves it out.
#pragma once

#include "apply/state_machine.h"
#include "backend/backend.h"
#include "server/member_view.h"

namespace holdfast::server {

class StorageVersion : public apply::StateObserver {
 public:
  StorageVersion(backend::Backend& backend, MemberView& view) : backend_(backend), view_(view) {
    backend::ReadView stored = backend.view();
    if (auto version = stored.get(backend::Bucket::meta, backend::kStorageVersionKey))
      current_ = *version;
    view_.show_storage_version(current_);
  }

  void on_cluster_changed(const std::shared_ptr<const membership::Cluster>& cluster) override {
    if (!cluster->version()) return;
    static constexpr int kFirstMinor = 6;
    const bool stored = cluster->version()->major > 3 || cluster->version()->minor >= kFirstMinor;
    const std::string wanted = stored ? cluster->version()->without_patch().to_string() : "";
    if (wanted == current_) return;
    current_ = wanted;
    if (stored) {
      backend_.put(backend::Bucket::meta, backend::kStorageVersionKey, current_);
    } else {
      backend_.erase(backend::Bucket::meta, backend::kStorageVersionKey);
    }
    view_.show_storage_version(current_);
  }

 private:
  backend::Backend& backend_;
  MemberView& view_;
  std::string current_;
};

}  // namespace holdfast::server
