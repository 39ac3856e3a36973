#include "backend/backend.h"

#include "backend/backend_core.h"
#include "base/check.h"
#include "base/wire.h"

namespace holdfast::backend {

// What only the owner touches.
struct Backend::Pending {
  BackendOptions options;
  std::function<void(Backend&)> hook;
  std::shared_ptr<Batch>
      batch;               // shared with readers through the set, and later with the committer
  std::vector<Task> done;  // to run when `batch` is durable
  env::TimerId timer = 0;  // runs while `batch` has operations
  Task resume;             // when_uncongested
  // Why the batch should be sealed at the next boundary.
  bool asked = false;    // commit_at_boundary: also when congested
  bool overdue = false;  // batch_interval is over
  bool in_hook = false;
  bool closed = false;
  // Expires with the Backend: tasks on the owner's executor hold it weakly.
  std::shared_ptr<Backend*> self;

  void seal(Backend& backend);
  void watch_age(Backend& backend);
};

Backend::Backend(std::unique_ptr<Engine> engine, const BackendOptions& options,
                 const BackendEnvironment& environment)
    : core_(std::make_shared<BackendCore>(std::move(engine), environment)),
      pending_(std::make_unique<Pending>()) {
  pending_->options = options;
  pending_->self = std::make_shared<Backend*>(this);
  pending_->batch = std::make_shared<Batch>();
  core_->add_batch(pending_->batch);
}

std::shared_ptr<Backend> Backend::make_shared(std::unique_ptr<Engine> engine,
                                              const BackendOptions& options,
                                              const BackendEnvironment& environment) {
  // Shared by the member, its readers and those who stream it.
  return {new Backend(std::move(engine), options, environment),
          [&owner = environment.owner](Backend* last) {
            std::unique_ptr<Backend> dropped(last);
            if (!owner.running_here()) owner.post([dropped = std::move(dropped)] {});
          }};
}

Backend::~Backend() {
  if (pending_->timer != 0) core_->environment().owner.cancel(pending_->timer);
}

void Backend::set_commit_hook(std::function<void(Backend&)> hook) {
  pending_->hook = std::move(hook);
}

void Backend::put(Bucket bucket, std::string_view key, std::string_view value) {
  CHECK(bucket != Bucket::key && !key.empty() && !pending_->closed);
  pending_->batch->put(bucket, key, value);
  pending_->watch_age(*this);
}

void Backend::erase(Bucket bucket, std::string_view key) {
  CHECK(bucket != Bucket::key && !key.empty() && !pending_->closed);
  pending_->batch->put(bucket, key, std::nullopt);
  pending_->watch_age(*this);
}

char* Backend::append(const RevisionKey& key, size_t value_bytes) {
  CHECK(!pending_->closed);
  char* value = pending_->batch->append(key, value_bytes);
  pending_->watch_age(*this);
  return value;
}

void Backend::Pending::watch_age(Backend& backend) {
  if (timer != 0 || in_hook) return;
  timer = backend.core_->environment().owner.post_after(options.batch_interval,
                                                        [weak = std::weak_ptr<Backend*>(self)] {
                                                          auto alive = weak.lock();
                                                          if (!alive) return;
                                                          Pending& pending = *(*alive)->pending_;
                                                          pending.timer = 0;
                                                          pending.overdue = true;
                                                          (*alive)->entry_boundary();
                                                        });
}

void Backend::entry_boundary() {
  Pending& pending = *pending_;
  const bool due = pending.overdue || pending.batch->operations() >= pending.options.batch_limit;
  if (pending.asked) {
    pending.seal(*this);
  } else if (due) {
    if (!congested()) {
      pending.seal(*this);
    } else if (!pending.resume) {
      when_uncongested({});  // an idle owner would never come back here
    }
  }
}

// With the hook's values in it, the batch becomes work of the committer's.
void Backend::Pending::seal(Backend& backend) {
  if (timer != 0) {
    backend.core_->environment().owner.cancel(timer);
    timer = 0;
  }
  asked = overdue = false;
  if (hook) {
    in_hook = true;
    hook(backend);
    in_hook = false;
  }
  BackendCore::Work work;
  work.done = std::move(done);
  done.clear();
  if (batch->operations() > 0) {
    work.batch = std::exchange(batch, std::make_shared<Batch>());
    backend.core_->add_batch(batch);
  }
  if (work.batch || !work.done.empty()) backend.core_->submit(std::move(work));
}

void Backend::commit_at_boundary(Task done) {
  Pending& pending = *pending_;
  if (done) pending.done.push_back(std::move(done));
  if (std::exchange(pending.asked, true)) return;
  // In case no entry is being applied: this task is a boundary.
  core_->environment().owner.post([weak = std::weak_ptr<Backend*>(pending.self)] {
    if (auto alive = weak.lock()) (*alive)->entry_boundary();
  });
}

void Backend::force_commit(Task done) {
  if (done) pending_->done.push_back(std::move(done));
  pending_->seal(*this);
}

size_t Backend::pending_operations() const { return pending_->batch->operations(); }

bool Backend::congested() const { return core_->sealed_waiting() >= kSealedBatchesMax; }

void Backend::when_uncongested(Task resume) {
  if (resume) pending_->resume = std::move(resume);
  core_->call_when_room(
      [&owner = core_->environment().owner, weak = std::weak_ptr<Backend*>(pending_->self)] {
        owner.post([weak] {
          auto alive = weak.lock();
          if (!alive) return;
          Backend& backend = **alive;
          if (backend.congested()) return backend.when_uncongested({});
          backend.entry_boundary();
          if (Task task = std::exchange(backend.pending_->resume, {})) task();
        });
      });
}

void Backend::close(Task done) {
  pending_->seal(*this);
  pending_->closed = true;
  BackendCore::Work work;
  work.close = BackendCore::Work::Close::yes;
  if (done) work.done.push_back(std::move(done));
  core_->submit(std::move(work));
}

ReadView Backend::view() { return core_->view(); }
CommittedView Backend::committed_view() { return core_->committed_view(); }

void Backend::commit_side(SideBatch side, Task done) {
  BackendCore::Work work;
  work.side = std::make_unique<SideBatch>(std::move(side));
  if (done) work.done.push_back(std::move(done));
  core_->submit(std::move(work));
}

void Backend::defragment(std::function<void(absl::Status)> done) {
  BackendCore::Work work;
  work.defragmented = std::move(done);
  core_->submit(std::move(work));
}

absl::StatusOr<std::unique_ptr<Engine>> Backend::make_successor() {
  return core_->engine().make_successor();
}

void Backend::hand_over(Engine& successor, UniqueFunction<void(absl::Status)> done) {
  BackendCore::Work work;
  work.successor = &successor;
  work.handed_over = std::move(done);
  core_->submit(std::move(work));
}

uint32_t Backend::hash() { return core_->hash(); }
int64_t Backend::size() const { return core_->size.load(std::memory_order_relaxed); }
int64_t Backend::size_in_use() const { return core_->size_in_use.load(std::memory_order_relaxed); }
uint64_t Backend::commits() const { return core_->commits.load(std::memory_order_relaxed); }
void Backend::expect_scan() { core_->engine().expect_scan(); }
void Backend::release_pages() { core_->engine().release_pages(); }

void put_consistent_index(Backend& backend, const ConsistentIndex& value) {
  if (value.index == 0) return;
  std::string bytes;
  wire::append_be64(bytes, value.index);
  backend.put(Bucket::meta, kConsistentIndexKey, bytes);
  if (value.term == 0) return;
  bytes.clear();
  wire::append_be64(bytes, value.term);
  backend.put(Bucket::meta, kTermKey, bytes);
}

}  // namespace holdfast::backend
