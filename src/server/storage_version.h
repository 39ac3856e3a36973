// Keeps meta's storageVersion at the cluster's version (etcd storage/schema; parity BKT-03, VER-04, VER-05): from 3.6 on
// it says which schema the backend has. Not replicated: each member follows on its own, and HashKV leaves it out.
#pragma once

#include <functional>
#include <string_view>

#include "apply/state_machine.h"
#include "backend/backend.h"
#include "base/errors.h"
#include "fmt/format.h"
#include "membership/version.h"
#include "server/member_info.h"
#include "server/member_view.h"

namespace holdfast::server {

class StorageVersion : public apply::StateObserver {
 public:
  // A schema that this server doesn't know, with etcd's text: FailedPrecondition.
  static absl::Status check(backend::Backend& backend) {
    backend::ReadView stored = backend.view();
    const auto text = stored.get(backend::Bucket::meta, backend::kStorageVersionKey);
    if (!text || is_known(*text)) return absl::OkStatus();
    return make_status(absl::StatusCode::kFailedPrecondition, fmt::format("version \"{}\" is not supported", *text));
  }
  static bool is_known(std::string_view text) {
    const auto version = membership::parse_version(text);
    const auto ours = membership::parse_version(kEtcdVersion);
    return version && !(ours->without_patch() < version->without_patch());
  }

  // `on_lowered`: the cluster's version went down.
  StorageVersion(apply::StateMachine& machine, MemberView& view, std::function<void()> on_lowered)
      : machine_(machine), view_(view), on_lowered_(std::move(on_lowered)) {
    on_cluster_changed(machine.cluster());
  }

  void on_cluster_version_lowered() override { on_lowered_(); }
  void on_cluster_changed(const std::shared_ptr<const membership::Cluster>& cluster) override {
    const std::string current = stored_version();
    view_.show_storage_version(current);
    if (!cluster->version()) return;
    static constexpr int kFirstMinor = 6;
    const bool stored = cluster->version()->major > 3 || cluster->version()->minor >= kFirstMinor;
    const std::string wanted = stored ? cluster->version()->without_patch().to_string() : "";
    if (wanted == current) return;
    if (stored) {
      machine_.backend().put(backend::Bucket::meta, backend::kStorageVersionKey, wanted);
    } else {
      machine_.backend().erase(backend::Bucket::meta, backend::kStorageVersionKey);
    }
    view_.show_storage_version(wanted);
  }

 private:
  std::string stored_version() const {
    backend::ReadView stored = machine_.backend().view();
    return stored.get(backend::Bucket::meta, backend::kStorageVersionKey).value_or("");
  }

  apply::StateMachine& machine_;
  MemberView& view_;
  const std::function<void()> on_lowered_;
};

}  // namespace holdfast::server
