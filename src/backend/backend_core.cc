#include "backend/backend_core.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "base/check.h"
#include "base/crc32c.h"
#include "fmt/format.h"

namespace holdfast::backend {
namespace {

// Spreads threads over the slots, so that each nearly always finds its own free and warm.
size_t thread_spread() {
  static thread_local char anchor;
  return static_cast<size_t>((reinterpret_cast<uintptr_t>(&anchor) * 0x9E3779B97F4A7C15u) >> 40);
}

double seconds(env::Duration d) { return std::chrono::duration<double>(d).count(); }

}  // namespace

BackendCore::BackendCore(std::unique_ptr<Engine> engine, const BackendEnvironment& environment)
    : environment_(environment),
      engine_(std::move(engine)),
      commit_seconds_(
          environment.metrics.histogram("etcd_disk_backend_commit_duration_seconds",
                                        "The latency distributions of commit called by backend.",
                                        env::exponential_buckets(0.001, 2, 14))),
      write_seconds_(environment.metrics.histogram(
          "etcd_debugging_disk_backend_commit_write_duration_seconds",
          "The latency distributions of commit.write called by bboltdb backend.",
          env::exponential_buckets(0.001, 2, 14))),
      defragment_seconds_(
          environment.metrics.histogram("etcd_disk_backend_defrag_duration_seconds",
                                        "The latency distribution of backend defragmentation.",
                                        env::exponential_buckets(0.1, 2, 13))),
      hash_seconds_(environment.metrics.histogram(
          "etcd_mvcc_hash_duration_seconds", "The latency distribution of storage hash operation.",
          env::exponential_buckets(0.01, 2, 15))),
      defragment_inflight_(environment.metrics.gauge(
          "etcd_disk_defrag_inflight",
          "Whether or not defrag is active on the member. 1 means active, 0 means not.")),
      total_bytes_(environment.metrics.gauge(
          "etcd_mvcc_db_total_size_in_bytes",
          "Total size of the underlying database physically allocated in bytes.")),
      in_use_bytes_(environment.metrics.gauge(
          "etcd_mvcc_db_total_size_in_use_in_bytes",
          "Total size of the underlying database logically in use in bytes.")),
      open_readers_(environment.metrics.gauge("etcd_mvcc_db_open_read_transactions",
                                              "The number of currently open read transactions")) {
  // bbolt's phases that our engine doesn't have: dashboards find the names, with no samples
  // (MET-21).
  for (const char* phase : {"rebalance", "spill"}) {
    environment.metrics.histogram(
        fmt::format("etcd_debugging_disk_backend_commit_{}_duration_seconds", phase),
        fmt::format("The latency distributions of commit.{} called by bboltdb backend.", phase),
        env::exponential_buckets(0.001, 2, 14));
  }
  owned_current_ = std::make_unique<BatchSet>();
  current_ = owned_current_.get();
  publish_sizes();
}

BackendCore::~BackendCore() {
  for (ReaderSlot& slot : slots_) CHECK(!slot.busy.load(), "a view outlives the backend");
}

// --- work of the committer ---

void BackendCore::submit(Work work) {
  {
    std::lock_guard lock(mutex_);
    if (work.batch) sealed_waiting_.fetch_add(1, std::memory_order_acq_rel);
    queue_.push_back(std::move(work));
  }
  environment_.committer.post([self = shared_from_this()] { self->run_one(); });
}

void BackendCore::run_one() {
  Work work;
  {
    std::lock_guard lock(mutex_);
    work = std::move(queue_.front());
    queue_.pop_front();
  }
  if (work.batch) {
    write([&](Engine::Writer& writer) { work.batch->write_to(writer); });
    drop_batch(work.batch);
  }
  if (work.side) {
    write([&](Engine::Writer& writer) {
      for (const RevisionKey& key : work.side->erased)
        writer.erase(Bucket::key, RevisionKeyBytes(key));
      for (const SideBatch::Put& put : work.side->puts) writer.put(put.bucket, put.key, put.value);
    });
  }
  if (work.defragmented) run_defragmentation(work.defragmented);
  if (work.successor != nullptr) hand_over(work);
  if (work.close == Work::Close::yes) {
    closed_ = true;
    for (ReaderSlot& slot : slots_) {
      CHECK(!slot.busy.load(), "a view is open while the backend closes");
      slot.reader.reset();
    }
    engine_->close();
  }
  for (Task& done : work.done) done();
}

void BackendCore::write(absl::FunctionRef<void(Engine::Writer&)> fill) {
  const env::Instant begin = environment_.committer.now();
  env::Instant filled = begin;
  absl::Status status = engine_->commit([&](Engine::Writer& writer) {
    fill(writer);
    filled = environment_.committer.now();
  });
  if (!status.ok())
    environment_.process.die(fmt::format("failed to commit to the backend: {}", status.ToString()));
  const env::Instant end = environment_.committer.now();
  commit_seconds_.observe(seconds(end - begin));
  write_seconds_.observe(seconds(end - filled));
  commits.fetch_add(1, std::memory_order_relaxed);
  publish_sizes();
}

void BackendCore::run_defragmentation(const std::function<void(absl::Status)>& done) {
  defragment_inflight_.set(1);
  const env::Instant begin = environment_.committer.now();
  absl::Status status = engine_->defragment();
  defragment_inflight_.set(0);
  defragment_seconds_.observe(seconds(environment_.committer.now() - begin));
  publish_sizes();
  done(std::move(status));
}

void BackendCore::hand_over(Work& work) {
  absl::Status status = closed_ ? absl::UnavailableError("the backend is closed")
                                : work.successor->take_place_of(*engine_);
  work.handed_over(std::move(status));
}

void BackendCore::publish_sizes() {
  const EngineSizes sizes = engine_->sizes();
  size.store(sizes.file_bytes, std::memory_order_relaxed);
  size_in_use.store(sizes.in_use_bytes, std::memory_order_relaxed);
  total_bytes_.set(static_cast<double>(sizes.file_bytes));
  in_use_bytes_.set(static_cast<double>(sizes.in_use_bytes));
  size_t open = 0;
  visit_used_slots([&](const ReaderSlot& slot) {
    if (slot.busy.load(std::memory_order_relaxed)) ++open;
  });
  open_readers_.set(static_cast<double>(open));
}

// --- the set of batches ---

void BackendCore::add_batch(std::shared_ptr<const Batch> pending) {
  std::lock_guard lock(mutex_);
  auto next = std::make_unique<BatchSet>();
  next->batches.reserve(owned_current_->batches.size() + 1);
  next->batches.push_back(std::move(pending));
  next->batches.insert(next->batches.end(), owned_current_->batches.begin(),
                       owned_current_->batches.end());
  replace_set(std::move(next));
}

void BackendCore::drop_batch(const std::shared_ptr<const Batch>& batch) {
  std::function<void()> room_call;
  {
    std::lock_guard lock(mutex_);
    auto next = std::make_unique<BatchSet>();
    for (const auto& other : owned_current_->batches)
      if (other != batch) next->batches.push_back(other);
    replace_set(std::move(next));
    if (sealed_waiting_.fetch_sub(1, std::memory_order_acq_rel) - 1 < kSealedBatchesMax)
      room_call = std::exchange(room_call_, nullptr);
  }
  if (room_call) room_call();
}

void BackendCore::call_when_room(std::function<void()> call) {
  {
    std::lock_guard lock(mutex_);
    if (sealed_waiting_.load(std::memory_order_acquire) >= kSealedBatchesMax) {
      room_call_ = std::move(call);
      return;
    }
  }
  call();
}

void BackendCore::replace_set(std::unique_ptr<const BatchSet> next) {
  current_.store(next.get(), std::memory_order_seq_cst);
  retired_.push_back(std::exchange(owned_current_, std::move(next)));
  // A reader names a set in its slot and then looks whether it is still current; so one that isn't
  // named now will never be used.
  std::erase_if(retired_, [this](const std::unique_ptr<const BatchSet>& set) {
    bool named = false;
    visit_used_slots([&](const ReaderSlot& slot) {
      named = named || slot.batches.load(std::memory_order_seq_cst) == set.get();
    });
    return !named;
  });
}

void BackendCore::visit_used_slots(absl::FunctionRef<void(const ReaderSlot&)> visit) const {
  for (size_t i = 0; i < slots_used_.size(); ++i)
    for (uint64_t used = slots_used_[i].load(std::memory_order_seq_cst); used != 0; used &= used - 1)
      visit(slots_[i * 64 + static_cast<size_t>(std::countr_zero(used))]);
}

// --- readers ---

ReaderSlot* BackendCore::take_slot() {
  const size_t start = thread_spread();
  auto try_all = [&]() -> ReaderSlot* {
    for (size_t i = 0; i < slots_.size(); ++i) {
      ReaderSlot& slot = slots_[(start + i) % slots_.size()];
      if (slot.busy.load(std::memory_order_relaxed) ||
          slot.busy.exchange(true, std::memory_order_seq_cst))
        continue;
      if (!std::exchange(slot.seen, true)) {
        const size_t place = static_cast<size_t>(&slot - slots_.data());
        slots_used_[place / 64].fetch_or(uint64_t{1} << place % 64, std::memory_order_seq_cst);
      }
      return &slot;
    }
    return nullptr;
  };
  if (ReaderSlot* slot = try_all()) return slot;
  std::unique_lock lock(slot_mutex_);
  slot_waiters_.fetch_add(1, std::memory_order_seq_cst);
  ReaderSlot* slot = nullptr;
  slot_left_.wait(lock, [&] { return (slot = try_all()) != nullptr; });
  slot_waiters_.fetch_sub(1, std::memory_order_seq_cst);
  return slot;
}

void BackendCore::leave_slot(ReaderSlot* slot) {
  slot->batches.store(nullptr, std::memory_order_release);
  slot->busy.store(false, std::memory_order_seq_cst);
  if (slot_waiters_.load(std::memory_order_seq_cst) > 0) {
    std::lock_guard lock(slot_mutex_);
    slot_left_.notify_one();
  }
}

Engine::Reader& BackendCore::reader_of(ReaderSlot* slot) {
  if (!slot->reader) slot->reader = engine_->make_reader();
  return *slot->reader;
}

ReadView BackendCore::view() {
  ReaderSlot* slot = take_slot();
  const BatchSet* set = current_.load(std::memory_order_acquire);
  while (true) {
    slot->batches.store(set, std::memory_order_seq_cst);
    const BatchSet* now = current_.load(std::memory_order_seq_cst);
    if (now == set) break;
    set = now;
  }
  return ReadView(this, slot, set);
}

CommittedView BackendCore::committed_view() {
  ReaderSlot* slot = take_slot();
  reader_of(slot).begin();
  return CommittedView(this, slot);
}

uint32_t BackendCore::hash() {
  const env::Instant begin = environment_.committer.clock().now();
  CommittedView view = committed_view();
  uint32_t crc = 0;
  for (Bucket bucket : kBucketsByName) {
    crc = crc32c_extend(crc, name(bucket));
    view.reader().scan(bucket, {}, {}, [&](std::string_view key, std::string_view value) {
      const bool ignored =
          bucket == Bucket::meta &&
          (key == kTermKey || key == kConsistentIndexKey || key == kStorageVersionKey);
      if (!ignored) crc = crc32c_extend(crc32c_extend(crc, key), value);
      return true;
    });
  }
  hash_seconds_.observe(seconds(environment_.committer.clock().now() - begin));
  return crc;
}

}  // namespace holdfast::backend
