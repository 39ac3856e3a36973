// Tells the watch feed what apply changes: each transaction as it ends, to the hubs once
// a batch of entries, and before who asked for them hears.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "apply/state_machine.h"
#include "mvcc/watch_feed.h"
#include "server/apply_owner.h"

namespace holdfast::server {

class WatchPublisher : public apply::StateObserver, public ApplyListener {
 public:
  // Shared with the hubs.
  explicit WatchPublisher(std::shared_ptr<mvcc::WatchFeed> feed) : feed_(std::move(feed)) {}

  void on_changes(Revision revision, const std::vector<mvcc::Change>& changes) override {
    feed_->publish(revision, changes);
  }
  void on_store_installed(const std::shared_ptr<mvcc::Store>& store) override { feed_->restore(store); }
  void before_answers() override { feed_->flush(); }

 private:
  const std::shared_ptr<mvcc::WatchFeed> feed_;  // shared with the hubs
};

}  // namespace holdfast::server
