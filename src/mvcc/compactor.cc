#include "mvcc/compactor.h"

#include <algorithm>

#include "base/check.h"
#include "mvcc/store_core.h"

namespace holdfast::mvcc {
namespace {

// How often to look whether readers are gone. They stay for the time of one request.
constexpr env::Duration kReaderPoll = std::chrono::milliseconds(1);
// Index steps in one task, so that other work of the executor has its turn.
constexpr int kIndexStepsPerTask = 8;

double milliseconds(env::Duration d) {
  return std::chrono::duration<double, std::milli>(d).count();
}

}  // namespace

void Compactor::add(std::shared_ptr<CompactionJob> job) {
  jobs_.push_back(std::move(job));
  start_next();
}

void Compactor::wish_is_durable(CompactionJob& job) {
  job.durable = true;
  start_next();
}

void Compactor::start_next() {
  while (!running_ && !jobs_.empty() && jobs_.front()->durable) {
    if (jobs_.front()->kind == CompactionJob::Kind::barrier) {
      Task done = std::move(jobs_.front()->done);
      jobs_.pop_front();
      if (done) done();
      continue;
    }
    running_ = true;
    began_ = core_.environment.background.now();
    longest_pause_ = {};
    deleted_ = 0;
    turn_gate();
  }
}

void Compactor::turn_gate() {
  // A reader that was late for the last turn may be seen there for a moment.
  if (!core_.gate.old_side_is_empty())
    return core_.post_step_after(kReaderPoll, &Compactor::turn_gate);
  core_.gate.turn();
  wait_for_readers();
}

void Compactor::wait_for_readers() {
  if (!core_.gate.old_side_is_empty())
    return core_.post_step_after(kReaderPoll, &Compactor::wait_for_readers);
  index_position_.clear();
  kept_list_.clear();
  compact_index();
}

void Compactor::compact_index() {
  const int64_t at = jobs_.front()->at;
  for (int i = 0; i < kIndexStepsPerTask; ++i) {
    const env::Instant begin = core_.environment.background.now();
    const KeyIndex::Step step = core_.index.compact(index_position_, at, kept_list_);
    longest_pause_ = std::max(longest_pause_, core_.environment.background.now() - begin);
    if (step == KeyIndex::Step::end) {
      core_.metrics.index_compaction_pause_ms.observe(milliseconds(longest_pause_));
      return begin_walk();
    }
  }
  core_.post_step(&Compactor::compact_index);
}

void Compactor::begin_walk() {
  kept_.emplace(kept_list_);
  hash_.emplace(jobs_.front()->previous, jobs_.front()->at);
  position_ = {0, 0};
  core_.post_step(&Compactor::walk);
}

void Compactor::walk() {
  const env::Instant begin = core_.environment.background.now();
  const int64_t at = jobs_.front()->at;
  const int limit = std::max(core_.options.compaction_batch_limit, 1);
  backend::SideBatch side;
  int records = 0;
  {
    backend::ReadView view = core_.backend.view();
    view.scan_revisions(position_, {at + 1, 0},
                        [&](const RevisionKey& key, std::string_view value) {
                          const bool stays = kept_->contains(key.revision);
                          if (!stays) side.erased.push_back(key);
                          hash_->add(key, value, stays, kept_->empty());
                          position_ = {key.revision.main, key.revision.sub + 1};
                          return ++records < limit;
                        });
  }
  deleted_ += static_cast<int64_t>(side.erased.size());
  const bool last = records < limit;
  if (last) {
    side.puts.push_back({backend::Bucket::meta, std::string(backend::kFinishedCompactKey),
                         std::string(backend::RevisionKeyBytes(RevisionPair{at, 0}).view())});
  }
  core_.metrics.db_compaction_pause_ms.observe(
      milliseconds(core_.environment.background.now() - begin));
  if (!last && side.erased.empty()) return sleep_then_walk();
  core_.backend.commit_side(std::move(side), [self = core_.shared_from_this(), last] {
    self->post_step(last ? &Compactor::finish : &Compactor::sleep_then_walk);
  });
}

void Compactor::sleep_then_walk() {
  core_.post_step_after(core_.options.compaction_sleep_interval, &Compactor::walk);
}

void Compactor::finish() {
  std::shared_ptr<CompactionJob> job = std::move(jobs_.front());
  jobs_.pop_front();
  running_ = false;
  core_.finished.store(job->at, std::memory_order_release);
  const env::Duration took = core_.environment.background.now() - began_;
  core_.metrics.db_compaction_total_ms.observe(milliseconds(took));
  core_.metrics.db_compaction_keys.add(static_cast<double>(deleted_));
  core_.metrics.db_compaction_last.set(
      static_cast<double>(core_.environment.background.clock().unix_nanoseconds() / 1'000'000'000));
  core_.environment.log.info("finished scheduled compaction",
                             {{"compact-revision", job->at},
                              {"number-of-keys-compacted", deleted_},
                              {"hash", static_cast<uint64_t>(hash_->value())},
                              {"current-db-size-bytes", core_.backend.size()},
                              {"current-db-size-in-use-bytes", core_.backend.size_in_use()}});
  if (job->hash == CompactionJob::Hash::whole) {
    core_.add_hash({hash_->value(), Revision(job->previous), Revision(job->at)});
  } else {
    core_.environment.log.info(
        "previous compaction was interrupted, skip storing compaction hash value");
  }
  kept_.reset();
  kept_list_ = {};
  core_.backend.release_pages();
  if (job->done) job->done();
  start_next();
}

}  // namespace holdfast::mvcc
