#include "server/snapshot_saver.h"

#include "base/mutant.h"
#include "membership/v2_store.h"

namespace holdfast::server {

SnapshotSaver::SnapshotSaver(env::Executor& apply, apply::StateMachine& machine, LogWriter& log,
                             Logger& logger, Index last, Options options)
    : apply_(apply),
      machine_(machine),
      log_(log),
      logger_(logger),
      options_(options),
      last_(last) {}

void SnapshotSaver::on_installed(Index index) {
  last_ = std::max(last_, index);
  log_.release_databases(index);
}

void SnapshotSaver::on_applied(Index index, Term term) {
  if (busy_ || index == last_ || (!forced_ && index - last_ <= options_.count)) return;
  busy_ = true;
  logger_.info("triggering snapshot", {{"local-member-id", options_.self},
                                       {"local-member-applied-index", index},
                                       {"local-member-snapshot-index", last_},
                                       {"local-member-snapshot-count", options_.count},
                                       {"snapshot-forced", forced_}});
  forced_ = false;
  raft::Snapshot snapshot;
  if (cluster_ != machine_.cluster()) {
    cluster_ = machine_.cluster();
    v2_store_ = SharedBytes(membership::to_v2_store_json(*cluster_));
  }
  snapshot.data = v2_store_;
  snapshot.metadata = {cluster_->conf_state(), index, term};
  // The consistent index on the disk must not be below a snapshot's: commit first.
  auto save = [this, snapshot = std::move(snapshot), index]() mutable {
    log_.save_snapshot(std::move(snapshot), [this, index] {
      apply_.post([this, index] {
        last_ = std::max(last_, index);
        busy_ = false;
      });
    });
  };
  if (mutant("server.snapshot_saved_before_commit")) return save();
  machine_.backend().force_commit(std::move(save));
}

}  // namespace holdfast::server
