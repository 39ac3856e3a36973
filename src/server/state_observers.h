// All who want to know what the state machine did; it tells one.
#pragma once

#include <memory>
#include <vector>

#include "apply/state_machine.h"

namespace holdfast::server {

class StateObservers : public apply::StateObserver {
 public:
  // Told in the order they were added. `observer` outlives this.
  void add(apply::StateObserver& observer) { observers_.push_back(&observer); }

  void on_changes(Revision revision, const std::vector<mvcc::Change>& changes) override {
    for (auto* observer : observers_) observer->on_changes(revision, changes);
  }
  // The store is shared with its readers.
  void on_store_installed(const std::shared_ptr<mvcc::Store>& store) override {
    for (auto* observer : observers_) observer->on_store_installed(store);
  }
  void on_lease_revoked(LeaseId id) override {
    for (auto* observer : observers_) observer->on_lease_revoked(id);
  }
  void on_alarms_changed() override {
    for (auto* observer : observers_) observer->on_alarms_changed();
  }
  // The copy is shared with whoever keeps it.
  void on_cluster_changed(const std::shared_ptr<const membership::Cluster>& cluster) override {
    for (auto* observer : observers_) observer->on_cluster_changed(cluster);
  }
  void on_cluster_version_lowered() override {
    for (auto* observer : observers_) observer->on_cluster_version_lowered();
  }

 private:
  std::vector<apply::StateObserver*> observers_;
};

}  // namespace holdfast::server
