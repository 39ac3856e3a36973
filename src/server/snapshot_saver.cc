#include "server/snapshot_saver.h"

namespace holdfast::server {

SnapshotSaver::SnapshotSaver(env::Executor& apply, backend::Backend& backend, LogWriter& log,
                             std::function<raft::ConfState()> conf_state, Logger& logger,
                             Index last, Options options)
    : apply_(apply),
      backend_(backend),
      log_(log),
      conf_state_(std::move(conf_state)),
      logger_(logger),
      options_(options),
      last_(last) {}

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
  snapshot.metadata = {conf_state_(), index, term};
  // The consistent index on the disk must not be below a snapshot's: commit first.
  backend_.force_commit([this, snapshot = std::move(snapshot), index]() mutable {
    log_.save_snapshot(std::move(snapshot), [this, index] {
      apply_.post([this, index] {
        last_ = index;
        busy_ = false;
      });
    });
  });
}

}  // namespace holdfast::server
