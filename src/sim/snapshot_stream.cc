#include "sim/snapshot_stream.h"

#include <algorithm>
#include <utility>

#include "base/errors.h"
#include "fmt/format.h"

namespace holdfast::sim {

namespace {
// As peer's: nothing taken, and no answer, for so long.
constexpr env::Duration kSilenceMax = std::chrono::seconds(5);
constexpr uint64_t kAnswerBytes = 64;
// Each piece waits for the answer to the one before: a big body goes in bigger pieces, or it would take minutes over a good
// network, where TCP has many on the way.
constexpr uint64_t kPiecesMax = 200;
}  // namespace

SnapshotStream::SnapshotStream(SimScheduler& scheduler, SimNetwork& network, Machine& from, Machine& to,
                               server::OutgoingSnapshot snapshot, size_t piece_bytes)
    : scheduler_(scheduler),
      network_(network),
      from_(from),
      to_(to),
      from_start_(from.starts()),
      to_start_(to.serving() ? to.starts() : 0),
      to_member_(snapshot.message.to),
      piece_bytes_(std::max<uint64_t>(piece_bytes, snapshot.body_bytes / kPiecesMax)),
      snapshot_(std::move(snapshot)) {}

template <class Act>
void SnapshotStream::on_sender(Act act) {
  if (over_ || from_.starts() != from_start_ || !from_.running()) return;
  from_.background().post([self = shared_from_this(), act = std::move(act)]() mutable {
    if (!self->over_) act(*self);
  });
}

template <class Act>
void SnapshotStream::on_receiver(Act act) {
  if (to_.starts() != to_start_ || !to_.running()) return;
  to_.background().post([self = shared_from_this(), act = std::move(act)]() mutable { act(*self); });
}

void SnapshotStream::start() {
  if (to_start_ == 0) return on_sender([](SnapshotStream& s) { s.finish(raft::SnapshotStatus::failed); });
  on_sender([](SnapshotStream& s) { s.read(); });
}

void SnapshotStream::read() {
  std::string piece(piece_bytes_, '\0');
  const absl::StatusOr<size_t> size = snapshot_.body->read(piece);
  if (!size.ok()) return finish(raft::SnapshotStatus::failed);
  piece.resize(*size);
  watch();
  end_on_its_way_ = piece.empty();
  const uint64_t bytes = piece.size() + kAnswerBytes;
  network_.carry(
      from_.address(), to_.address(), bytes, from_.process()->effect_time(),
      [self = shared_from_this(), piece = std::make_unique<std::string>(std::move(piece))] {
        self->on_receiver([piece = std::move(*piece)](SnapshotStream& s) mutable {
          if (piece.empty()) return s.complete();
          if (!s.over_) s.write(std::move(piece));
        });
      },
      [self = shared_from_this()] { self->broke(); });
}

void SnapshotStream::broke() {
  end_on_its_way_ = false;
  if (over_) return on_receiver([](SnapshotStream& s) { s.discard(); });
  on_sender([](SnapshotStream& s) { s.finish(raft::SnapshotStatus::failed); });
}

void SnapshotStream::cut() {
  on_sender([](SnapshotStream& s) { s.finish(raft::SnapshotStatus::failed); });
}

void SnapshotStream::watch() {
  scheduler_.after(kSilenceMax, [self = shared_from_this(), step = ++steps_] {
    if (self->steps_ == step) self->on_sender([](SnapshotStream& s) { s.finish(raft::SnapshotStatus::failed); });
  });
}

void SnapshotStream::write(std::string piece) {
  if (download_ == nullptr) {
    download_ = std::make_shared<server::SnapshotDownload>();
    // Two of the same index may come at a time, from an old leader and a new one.
    download_->path = fmt::format("{}/tmp{:016x}-{:x}-{}", to_.snap_dir(), snapshot_.message.snapshot->metadata.index.value,
                                  scheduler_.now().nanoseconds, from_.address().value);
  }
  download_->write(to_.disk(), piece);
  answer(to_.process()->effect_time(), [self = shared_from_this()] {
    self->on_sender([](SnapshotStream& s) { s.read(); });
  });
}

void SnapshotStream::complete() {
  auto outcome = raft::SnapshotStatus::failed;
  if (download_ != nullptr && download_->size == snapshot_.body_bytes && download_->complete(to_.disk()).ok()) {
    // From here on the file is the member's.
    const std::string path = std::exchange(download_, nullptr)->path;
    if (to_.member().receive_snapshot(std::move(snapshot_.message), path).ok()) outcome = raft::SnapshotStatus::finished;
  }
  answer(to_.process()->effect_time(), [self = shared_from_this(), outcome] {
    self->on_sender([outcome](SnapshotStream& s) { s.finish(outcome); });
  });
}

void SnapshotStream::answer(env::Instant leaves, UniqueFunction<void()> then) {
  // Whoever does not get it finds out by the silence.
  network_.carry(to_.address(), from_.address(), kAnswerBytes, leaves, std::move(then), [] {});
}

void SnapshotStream::finish(raft::SnapshotStatus status) {
  give_up();
  server::Member& member = from_.member();
  if (status == raft::SnapshotStatus::failed) member.report_unreachable(to_member_);
  member.report_snapshot(to_member_, status);
}

void SnapshotStream::give_up() {
  if (std::exchange(over_, true)) return;
  snapshot_.body.reset();
  if (!end_on_its_way_) on_receiver([](SnapshotStream& s) { s.discard(); });
}

void SnapshotStream::discard() {
  if (download_ == nullptr) return;
  download_->discard(to_.disk());
  download_ = nullptr;
}

}  // namespace holdfast::sim
