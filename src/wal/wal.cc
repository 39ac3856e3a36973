#include "wal/wal.h"

#include <algorithm>

#include "base/check.h"
#include "base/errors.h"
#include "base/mutant.h"
#include "fmt/format.h"
#include "wal/decoder.h"
#include "wal/repair.h"
#include "wal/replay.h"

namespace holdfast::wal {

namespace {

constexpr env::Duration kSlowSync = std::chrono::seconds(1);

// A commit-only state is not worth a write of its own, but must not wait for ever either: etcd's buffer holds as much.
constexpr size_t kMaxBufferedBytes = 128 * 1024;

double seconds(env::Duration d) { return std::chrono::duration<double>(d).count(); }

std::string parent_of(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string without_trailing_slashes(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

absl::Status lock_segment(env::File& file, const std::string& path) {
  const absl::Status status = file.try_lock();
  if (!absl::IsUnavailable(status)) return status;
  return make_status(absl::StatusCode::kUnavailable,
                     fmt::format("wal: {} is in use by another process: {}", path, message(status)));
}

std::vector<Decoder::Source> sources_of(const std::string& directory, const std::vector<LockedSegment>& segments) {
  std::vector<Decoder::Source> sources;
  for (const LockedSegment& segment : segments)
    sources.push_back({directory + "/" + segment.name.text(), segment.file.get()});
  return sources;
}

}  // namespace

// MET-20.
struct Wal::Instruments {
  env::Histogram& sync_seconds;
  env::Histogram& write_seconds;
  env::Gauge& write_bytes;
};

Wal::Wal(const World& world, const Options& options, std::string directory, std::string metadata)
    : world_(world),
      options_(options),
      directory_(std::move(directory)),
      instruments_(new Instruments{
          world.metrics.histogram("etcd_disk_wal_fsync_duration_seconds",
                                  "The latency distributions of fsync called by WAL.",
                                  env::exponential_buckets(0.001, 2, 14)),
          world.metrics.histogram("etcd_disk_wal_write_duration_seconds",
                                  "The latency distributions of write called by WAL.",
                                  env::exponential_buckets(0.001, 2, 14)),
          world.metrics.gauge("etcd_disk_wal_write_bytes_total",
                              "Total number of bytes written in WAL.")}),
      preparer_(std::make_shared<SegmentPreparer>(world.files, directory_, options.segment_bytes)),
      metadata_(std::move(metadata)) {}

Wal::~Wal() {
  if (health_.ok()) preparer_->close();
}

absl::StatusOr<std::unique_ptr<Wal>> Wal::create(const World& world, const Options& options,
                                                 const std::string& directory,
                                                 std::string_view metadata) {
  const std::string path = without_trailing_slashes(directory);
  if (exists(world.files, path)) {
    return make_status(absl::StatusCode::kAlreadyExists,
                       fmt::format("wal: {}: file already exists", path));
  }
  const std::string temporary = path + ".tmp";
  std::unique_ptr<Wal> wal(new Wal(world, options, path, std::string(metadata)));
  const absl::Status status = wal->create_in(temporary);
  if (!status.ok()) {
    world.logger.warn("failed to create a WAL",
                      {{"tmp-dir-path", temporary}, {"dir-path", path}, {"error", message(status)}});
    wal->health_ = status;
    world.files.remove_all(temporary).IgnoreError();
    return status;
  }
  return wal;
}

// The first segment with its three records, under a temporary directory that becomes the log at once and as a whole.
absl::Status Wal::create_in(const std::string& temporary) {
  env::FileSystem& files = world_.files;
  if (absl::Status s = files.remove_all(temporary); !s.ok()) return s;
  if (absl::Status s = files.create_directories(temporary); !s.ok()) return s;
  const SegmentName name{0, Index(0)};
  const std::string path = temporary + "/" + name.text();
  auto file = files.open(path, env::OpenMode::create);
  if (!file.ok()) return file.status();
  if (absl::Status s = lock_segment(**file, path); !s.ok()) return s;
  if (absl::Status s = (*file)->preallocate(options_.segment_bytes); !s.ok()) return s;
  segments_.push_back({name, *std::move(file)});

  writer_.put_crc();
  writer_.put(RecordType::metadata, metadata_);
  writer_.put(RecordType::snapshot, encode(SnapshotRecord{}));
  if (absl::Status s = flush_and_sync(); !s.ok()) return s;

  if (absl::Status s = sync_directory_timed(temporary); !s.ok()) return s;
  if (absl::Status s = files.remove_all(directory_); !s.ok()) return s;
  if (absl::Status s = files.rename(temporary, directory_); !s.ok()) return s;
  return sync_directory_timed(parent_of(directory_));
}

absl::StatusOr<Wal::Opened> Wal::open(const World& world, const Options& options,
                                      const std::string& directory, const SnapshotRecord& from) {
  std::unique_ptr<Wal> wal(new Wal(world, options, without_trailing_slashes(directory), ""));
  if (absl::Status s = wal->settle_tail(); !s.ok()) return s;
  const auto names = segments_from(world.files, world.logger, wal->directory_, from.index);
  if (!names.ok()) return names.status();
  if (absl::Status s = wal->open_segments(*names); !s.ok()) return s;
  absl::StatusOr<Contents> contents = wal->read(from);
  if (!contents.ok()) return contents.status();
  return Opened{std::move(wal), {from.index, from.term, {}}, *std::move(contents)};
}

absl::StatusOr<Wal::Opened> Wal::open_repairing(const World& world, const Options& options,
                                                const std::string& directory,
                                                const SnapshotRecord& from) {
  absl::StatusOr<Opened> opened = open(world, options, directory, from);
  if (opened.ok() || fault_of(opened.status()) != Fault::torn_tail) return opened;
  if (absl::Status s = repair(world, directory); !s.ok()) return s;
  world.logger.info("repaired WAL", {{"error", message(opened.status())}});
  return open(world, options, directory, from);
}

absl::StatusOr<Wal::Opened> Wal::open_newest(const World& world, const Options& options, const std::string& directory,
                                             Index guess) {
  std::unique_ptr<Wal> wal(new Wal(world, options, without_trailing_slashes(directory), ""));
  if (absl::Status s = wal->settle_tail(); !s.ok()) return s;
  const auto names = list_segments(world.files, world.logger, wal->directory_);
  if (!names.ok()) return names.status();
  const std::vector<SegmentName> run = newest_run(*names);
  if (absl::Status s = wal->open_segments(run); !s.ok()) return s;
  Decoder decoder(sources_of(wal->directory_, wal->segments_));
  Replay replay(run, guess);
  if (absl::Status s = replay.scan(decoder); !s.ok()) return s;
  const auto snapshots = replay.valid_snapshots(run.front());
  if (!snapshots.ok()) return snapshots.status();
  const SnapshotRecord from = newest_of(*snapshots);
  std::optional<std::vector<raft::Entry>> entries;
  if (!snapshots->empty() && wal->let_go_before(from.index)) entries = replay.take_entries_behind(from);
  if (!entries) {
    wal.reset();
    if (guess > Index(0)) return open_newest(world, options, directory);
    return open_repairing(world, options, directory, from);  // which goes on from there all the same, or tells what is wrong
  }
  if (!replay.tear().ok()) {
    const LockedSegment& tail = wal->segments_.back();
    const TornTail torn{wal->directory_ + "/" + tail.name.text(), *tail.file, decoder.last_offset(), replay.tear()};
    if (absl::Status s = cut_tail_off(world, wal->directory_, torn); !s.ok()) return s;
    world.logger.info("repaired WAL", {{"error", message(replay.tear())}});
  }
  absl::StatusOr<Contents> contents = wal->go_on_behind(replay, decoder, *std::move(entries));
  if (!contents.ok()) return contents.status();
  return Opened{std::move(wal), from, *std::move(contents)};
}

absl::Status Wal::settle_tail() const {
  if (options_.fsync == Fsync::unsafe_no) return absl::OkStatus();
  return wal::settle_tail(world_.files, world_.logger, directory_);
}

absl::Status Wal::open_segments(const std::vector<SegmentName>& names) {
  for (const SegmentName& name : names) {
    const std::string path = directory_ + "/" + name.text();
    auto file = world_.files.open(path, env::OpenMode::read_write);
    if (!file.ok()) return file.status();
    if (absl::Status s = lock_segment(**file, path); !s.ok()) return s;
    segments_.push_back({name, *std::move(file)});
  }
  return absl::OkStatus();
}

// Keeps those that segments_from() would have named. False if that would have been none.
bool Wal::let_go_before(Index index) {
  const auto last = std::find_if(segments_.rbegin(), segments_.rend(),
                                 [&](const LockedSegment& s) { return s.name.first_index <= index; });
  if (last == segments_.rend()) return false;
  segments_.erase(segments_.begin(), last.base() - 1);
  return true;
}

absl::StatusOr<Contents> Wal::read(const SnapshotRecord& from) {
  Decoder decoder(sources_of(directory_, segments_));
  Replay replay(from, Replay::Entries::kept);
  if (absl::Status s = replay.run(decoder); !s.ok()) return s;
  return go_on_behind(replay, decoder, replay.take_entries());
}

absl::StatusOr<Contents> Wal::go_on_behind(const Replay& replay, const Decoder& decoder,
                                           std::vector<raft::Entry> entries) {
  metadata_ = replay.metadata();
  state_ = replay.hard_state();
  last_index_ = replay.last_index();
  if (absl::Status s = begin_append(decoder.last_offset(), decoder.crc()); !s.ok()) return s;
  // A process that was killed may have left names behind that are in nobody's memory but the kernel's: whatever is saved
  // from here on would go with them.
  for (const std::string& path : {directory_, parent_of(directory_)})
    if (absl::Status s = sync_directory_timed(path); !s.ok()) return s;
  return Contents{metadata_, state_, std::move(entries)};
}

// Zeroes what follows the last valid record (WAL-11): the remains of a torn write behind a sector that it did not reach
// would otherwise be read as records once new ones have grown up to them. Synced, so that no crash can mix old remains
// with new records.
absl::Status Wal::begin_append(uint64_t offset, uint32_t crc) {
  env::File& tail = *segments_.back().file;
  const absl::StatusOr<uint64_t> size = tail.size();
  if (!size.ok()) return size.status();
  if (absl::Status s = tail.truncate(offset); !s.ok()) return s;
  if (absl::Status s = tail.preallocate(std::max(*size, options_.segment_bytes)); !s.ok()) return s;
  if (options_.fsync == Fsync::yes) {
    if (absl::Status s = tail.sync(); !s.ok()) return s;
  }
  written_ = zeroed_ = offset;
  writer_ = RecordWriter(crc);
  return absl::OkStatus();
}

absl::Status Wal::save(const raft::HardState& state, std::span<const raft::Entry> entries,
                       Sync sync) {
  if (!health_.ok()) return health_;
  if (state.empty() && entries.empty()) return absl::OkStatus();
  const bool must_sync =
      sync == Sync::always || !entries.empty() ||
      (!state.empty() && (state.term != state_.term || state.vote != state_.vote));
  for (const raft::Entry& entry : entries) writer_.put_entry(entry);
  if (!entries.empty()) last_index_ = entries.back().index;
  if (!state.empty()) {
    state_ = state;
    raft::HardState written = state;
    if (mutant("wal.forgets_vote")) written.vote = {};
    writer_.put(RecordType::state, encode(written));
  }
  if (tail_offset() >= options_.segment_bytes) return cut();
  if (must_sync) return flush_and_sync();
  return writer_.buffered().size() > kMaxBufferedBytes ? flush() : absl::OkStatus();
}

absl::Status Wal::save_snapshot(const SnapshotRecord& snapshot) {
  if (!health_.ok()) return health_;
  if (!snapshot.conf_state && snapshot.index > Index(0)) {
    return make_status(absl::StatusCode::kInvalidArgument,
                       "Saved (not-initial) snapshot is missing ConfState");
  }
  writer_.put(RecordType::snapshot, encode(snapshot));
  last_index_ = std::max(last_index_, snapshot.index);
  return flush_and_sync();
}

absl::Status Wal::save_received(const SnapshotRecord& snapshot, const raft::HardState& state,
                                std::span<const raft::Entry> entries) {
  if (absl::Status s = save_snapshot(snapshot); !s.ok()) return s;
  raft::HardState first = state;
  if (!state.empty()) first.commit = std::min(state.commit, snapshot.index);
  // Synced although only the commit index may have changed: the acknowledgement that follows must not outlive what makes
  // the snapshot count.
  if (absl::Status s = save(first, {}, Sync::always); !s.ok()) return s;
  if (entries.empty() && first == state) return absl::OkStatus();
  return save(state, entries, Sync::always);
}

absl::Status Wal::sync() {
  if (!health_.ok()) return health_;
  return flush_and_sync();
}

absl::Status Wal::poison(absl::Status status) {
  if (health_.ok()) {
    health_ = std::move(status);
    world_.logger.error("WAL failed; nothing more is written", {{"error", message(health_)}});
  }
  return health_;
}

absl::Status Wal::flush() {
  const std::string_view bytes = writer_.buffered();
  if (bytes.empty()) return absl::OkStatus();
  if (FAULT_POINT(world_.faults, "wal.before_write"))
    return poison(absl::AbortedError("fault point wal.before_write"));
  const env::Instant start = world_.clock.now();
  const absl::Status status = segments_.back().file->write_at(written_, bytes);
  instruments_->write_seconds.observe(seconds(world_.clock.now() - start));
  if (!status.ok()) return poison(status);
  instruments_->write_bytes.add(static_cast<double>(bytes.size()));
  written_ += bytes.size();
  writer_.clear();
  return zero_ahead();
}

// The file reads the same with and without these zeros, after a crash too: they only save the syncs to come the file
// system's book-keeping.
absl::Status Wal::zero_ahead() {
  if (written_ <= zeroed_ || options_.zero_ahead_bytes == 0 || options_.fsync == Fsync::unsafe_no)
    return absl::OkStatus();
  const uint64_t end = std::min(written_ + options_.zero_ahead_bytes, options_.segment_bytes);
  zeroed_ = std::max(written_, end);
  if (written_ >= end) return absl::OkStatus();
  const absl::Status status = segments_.back().file->write_at(written_, std::string(end - written_, '\0'));
  // Where space could not be reserved, zeros may find none when records still would.
  if (status.ok() || absl::IsResourceExhausted(status)) return absl::OkStatus();
  return poison(status);
}

absl::Status Wal::flush_and_sync() {
  if (absl::Status s = flush(); !s.ok()) return s;
  if (options_.fsync == Fsync::unsafe_no) return absl::OkStatus();
  if (FAULT_POINT(world_.faults, "wal.before_sync"))
    return poison(absl::AbortedError("fault point wal.before_sync"));
  if (mutant("wal.ack_before_sync")) return absl::OkStatus();
  const env::Instant start = world_.clock.now();
  const absl::Status status = segments_.back().file->sync_data();
  const env::Duration took = world_.clock.now() - start;
  instruments_->sync_seconds.observe(seconds(took));
  if (!status.ok()) return poison(status);
  if (took > kSlowSync) {
    world_.logger.warn("slow fdatasync", {{"took", fmt::format("{:.9g}s", seconds(took))},
                                          {"expected-duration", "1s"}});
  }
  if (FAULT_POINT(world_.faults, "wal.after_sync"))
    return poison(absl::AbortedError("fault point wal.after_sync"));
  return absl::OkStatus();
}

absl::Status Wal::sync_directory_timed(const std::string& path) {
  if (options_.fsync == Fsync::unsafe_no) return absl::OkStatus();
  const env::Instant start = world_.clock.now();
  const absl::Status status = world_.files.sync_directory(path);
  instruments_->sync_seconds.observe(seconds(world_.clock.now() - start));
  return status;
}

// Ends the tail and starts the next segment. The new file gets its name only when its header is durable, so that a crash
// at any point leaves either the old tail, complete, or both.
absl::Status Wal::cut() {
  if (absl::Status s = flush(); !s.ok()) return s;
  if (absl::Status s = segments_.back().file->truncate(written_); !s.ok()) return poison(s);
  if (absl::Status s = flush_and_sync(); !s.ok()) return s;

  absl::StatusOr<SegmentPreparer::Prepared> next = preparer_->take();
  if (!next.ok()) return poison(next.status());
  const SegmentName name{segments_.back().name.sequence + 1, last_index_ + 1};
  const std::string path = directory_ + "/" + name.text();
  segments_.push_back({name, std::move(next->file)});
  written_ = zeroed_ = 0;
  writer_.put_crc();
  writer_.put(RecordType::metadata, metadata_);
  if (!state_.empty()) writer_.put(RecordType::state, encode(state_));
  if (absl::Status s = flush_and_sync(); !s.ok()) return s;

  if (absl::Status s = world_.files.rename(next->path, path); !s.ok()) return poison(s);
  if (absl::Status s = sync_directory_timed(directory_); !s.ok()) return poison(s);
  if (FAULT_POINT(world_.faults, "wal.after_cut"))
    return poison(absl::AbortedError("fault point wal.after_cut"));
  world_.logger.info("created a new WAL segment", {{"path", path}});
  return absl::OkStatus();
}

// Segments are released up to the last one that begins before `index`, which may hold it.
void Wal::release_lock_to(Index index) {
  const auto first_not_before = std::find_if(
      segments_.begin(), segments_.end(),
      [&](const LockedSegment& s) { return s.name.first_index >= index; });
  if (first_not_before == segments_.begin()) return;
  segments_.erase(segments_.begin(), first_not_before - 1);
}

absl::Status Wal::close() {
  preparer_->close();
  if (!health_.ok()) return health_;
  // The segments stay locked until the Wal goes: a purge that runs while a member stops must not take what its next start
  // needs.
  const absl::Status status = flush_and_sync();
  if (health_.ok()) health_ = absl::FailedPreconditionError("wal: closed");
  return status;
}

}  // namespace holdfast::wal
