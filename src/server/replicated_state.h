// What the log is applied to, and who is told what changes in it.
#pragma once

#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "apply/state_machine.h"
#include "backend/backend.h"
#include "mvcc/watch_feed.h"
#include "server/member_givens.h"
#include "server/state_observers.h"
#include "server/storage_version.h"
#include "server/watch_publisher.h"

namespace holdfast::server {

class ReplicatedState {
 public:
  ReplicatedState(const MemberGivens& given, MemberFacts& facts) : given_(given), facts_(facts) {}
  // Hubs may hold the feed for longer than its store may live.
  ~ReplicatedState() {
    if (watch_feed) watch_feed->close();
  }

  // On the apply executor, as everything here.
  absl::Status open(std::unique_ptr<backend::Engine> engine);
  // A backend of this member, shared with its readers.
  std::shared_ptr<backend::Backend> make_backend(std::unique_ptr<backend::Engine> engine) const;
  // From now on this is the backend that is shown to the outside and shared with it.
  void show(std::shared_ptr<backend::Backend> now);
  void on_cluster_version_lowered(std::function<void()> told) { version_lowered_ = std::move(told); }

  apply::OpenToAll authorizer;
  std::shared_ptr<backend::Backend> backend;  // shared with the view
  std::unique_ptr<apply::StateMachine> machine;
  std::shared_ptr<mvcc::WatchFeed> watch_feed;  // shared with the hubs of the I/O threads
  std::unique_ptr<WatchPublisher> watch_publisher;

 private:
  const MemberGivens& given_;
  MemberFacts& facts_;
  std::function<void()> version_lowered_;
  std::unique_ptr<StorageVersion> storage_version_;
  StateObservers observers_;
};

}  // namespace holdfast::server
