#include "server/backend_snapshots.h"

#include <optional>

#include "backend/bbolt_writer.h"
#include "base/errors.h"
#include "base/mutant.h"

namespace holdfast::server {

// What is read, until somebody ends it: its reader, or close().
class BackendSnapshots::State {
 public:
  State(std::shared_ptr<backend::Backend> backend, const env::Clock& clock, env::Histogram& seconds)
      : clock_(clock), seconds_(seconds), began_(clock.now()), backend_(std::move(backend)) {}
  ~State() { end(); }

  // On the committer.
  void begin() {
    std::lock_guard lock(mutex_);
    if (backend_) view_.emplace(backend_->committed_view());
  }
  absl::StatusOr<uint64_t> count() {
    std::lock_guard lock(mutex_);
    if (!view_) return error(EtcdError::stopped);
    writer_ = std::make_unique<backend::BboltWriter>(view_->reader());
    return writer_->size();
  }
  absl::StatusOr<size_t> read(std::span<char> buffer) {
    std::lock_guard lock(mutex_);
    if (!writer_) return error(EtcdError::stopped);
    return writer_->read(buffer);
  }
  void end() {
    std::lock_guard lock(mutex_);
    writer_.reset();
    if (view_) seconds_.observe(std::chrono::duration<double>(clock_.now() - began_).count());
    view_.reset();
    backend_.reset();
  }

 private:
  const env::Clock& clock_;
  env::Histogram& seconds_;
  const env::Instant began_;
  std::mutex mutex_;  // guards what follows
  std::shared_ptr<backend::Backend> backend_;  // shared with the member, which may go over to another one
  std::optional<backend::CommittedView> view_;
  std::unique_ptr<backend::BboltWriter> writer_;
};

class BackendSnapshots::Body : public SnapshotBody {
 public:
  explicit Body(std::shared_ptr<State> state) : state_(std::move(state)) {}
  ~Body() override { state_->end(); }
  absl::StatusOr<size_t> read(std::span<char> buffer) override { return state_->read(buffer); }

 private:
  const std::shared_ptr<State> state_;  // shared with close()
};

BackendSnapshots::BackendSnapshots(env::Executor& background, env::Metrics& metrics)
    : background_(background),
      seconds_(metrics.histogram("etcd_disk_backend_snapshot_duration_seconds",
                                 "The latency distribution of backend snapshots.",
                                 env::exponential_buckets(0.01, 2, 17))) {}

BackendSnapshots::~BackendSnapshots() { close(); }

bool BackendSnapshots::enter(const std::shared_ptr<State>& state) {
  std::lock_guard lock(mutex_);
  std::erase_if(states_, [](const std::weak_ptr<State>& s) { return s.expired(); });
  if (closed_) return false;
  states_.push_back(state);
  return true;
}

void BackendSnapshots::open(std::shared_ptr<backend::Backend> backend,
                            UniqueFunction<void(absl::StatusOr<Opened>)> done) {
  auto state = std::make_shared<State>(backend, background_.clock(), seconds_);
  if (!enter(state)) {
    background_.post([done = std::move(done)]() mutable { done(error(EtcdError::stopped)); });
    return;
  }
  // Still on the committer: no later batch gets in.
  auto begin = [this, state = std::move(state), done = std::move(done)]() mutable {
    state->begin();
    background_.post([state = std::move(state), done = std::move(done)]() mutable {
      absl::StatusOr<uint64_t> bytes = state->count();
      if (!bytes.ok()) return done(bytes.status());
      done(Opened{*bytes, std::make_unique<Body>(std::move(state))});
    });
  };
  if (mutant("server.snapshot_sent_without_last_entries")) return begin();
  backend->force_commit(std::move(begin));
}

void BackendSnapshots::close() {
  std::vector<std::weak_ptr<State>> states;
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
    states.swap(states_);
  }
  for (const std::weak_ptr<State>& weak : states)
    if (const std::shared_ptr<State> state = weak.lock()) state->end();
}

}  // namespace holdfast::server
