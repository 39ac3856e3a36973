#include "server/snapshot_sender.h"

#include "base/errors.h"
#include "membership/v2_store.h"

namespace holdfast::server {

namespace {
// A member that got a snapshot must find the entries after it until it caught up. etcd keeps all of them for 30 s
// (releaseDelayAfterSnapshot), a gigabyte at our rates; here that is the limit, and the member's progress is looked at.
constexpr env::Duration kLookInterval = std::chrono::milliseconds(500);
constexpr int kLooksMax = 60;
}  // namespace

void SnapshotSender::request(raft::Message message) {
  parts_.apply.post([this, message = std::move(message)]() mutable { send(std::move(message)); });
}

void SnapshotSender::send(raft::Message message) {
  if (stopped_) return;
  const MemberId to = message.to;
  size_t sending = 0;
  for (const auto& [id, count] : under_way_) sending += count;
  if (sending >= kSnapshotsInFlightMax) {
    parts_.log.warn("too many snapshots are being sent; not sending another one", {{"to", to}});
    return fail(to);
  }
  ++under_way_[to];
  if (++held_ == 1)
    parts_.raft.executor().post([raft = &parts_.raft] { raft->hold_compaction(true); });

  const std::shared_ptr<const membership::Cluster> cluster = parts_.machine.cluster();
  auto snapshot = std::make_shared<raft::Snapshot>();
  snapshot->data = SharedBytes(membership::to_v2_store_json(*cluster));
  snapshot->metadata = {cluster->conf_state(), parts_.machine.consistent_index(),
                        parts_.machine.consistent_term()};
  message.snapshot = std::move(snapshot);
  parts_.snapshots.open(
      parts_.machine.backend().shared_or_null(), [this, message = std::move(message)](
                            absl::StatusOr<BackendSnapshots::Opened> opened) mutable {
        const MemberId to = message.to;
        if (!opened.ok()) {
          parts_.log.warn("failed to open a snapshot", {{"to", to}, {"error", holdfast::message(opened.status())}});
          fail(to);
          return report(to, raft::SnapshotStatus::failed);
        }
        parts_.peers.send_snapshot({std::move(message), opened->bytes, std::move(opened->body)});
      });
}

void SnapshotSender::fail(MemberId to) {
  parts_.raft.executor().post([raft = &parts_.raft, to] {
    raft->report_snapshot(to, raft::SnapshotStatus::failed);
  });
}

void SnapshotSender::report(MemberId to, raft::SnapshotStatus status) {
  parts_.apply.post([this, to, status] { on_report(to, status); });
}

void SnapshotSender::on_report(MemberId to, raft::SnapshotStatus status) {
  const auto found = under_way_.find(to);
  if (stopped_ || found == under_way_.end()) return;
  if (--found->second == 0) under_way_.erase(found);
  if (status == raft::SnapshotStatus::failed) return let_go();
  look_later(to, kLooksMax);
}

void SnapshotSender::look_later(MemberId to, int looks_left) {
  if (looks_left == 0) return let_go();
  // The timer's own id is known only after it was made.
  auto id = std::make_shared<env::TimerId>();  // shared with the task, which nobody else can tell
  *id = parts_.apply.post_after(kLookInterval, [this, id, to, looks_left] {
    timers_.erase(*id);
    parts_.raft.ask_match(to, parts_.apply, [this, to, looks_left](absl::StatusOr<RaftControl::Match> match) {
      if (stopped_) return;
      // Well within what is kept in any case; or nobody to keep anything for.
      if (!match.ok() || match->leader <= match->member + parts_.catchup_entries.value / 2) return let_go();
      look_later(to, looks_left - 1);
    });
  });
  timers_.insert(*id);
}

void SnapshotSender::let_go() {
  if (--held_ == 0)
    parts_.raft.executor().post([raft = &parts_.raft] { raft->hold_compaction(false); });
}

void SnapshotSender::stop() {
  stopped_ = true;
  for (const env::TimerId timer : timers_) parts_.apply.cancel(timer);
  timers_.clear();
}

}  // namespace holdfast::server
