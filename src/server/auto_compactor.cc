#include "server/auto_compactor.h"

#include <algorithm>

#include "base/errors.h"
#include "base/wire.h"

namespace holdfast::server {

namespace {
constexpr int kSamplesPerInterval = 10;
constexpr env::Duration kRevisionInterval = std::chrono::minutes(5);
constexpr env::Duration kLongestInterval = std::chrono::hours(1);

double seconds(env::Duration d) { return static_cast<double>(d.count()) / 1e9; }
}  // namespace

AutoCompactor::AutoCompactor(Parts parts, AutoCompaction options)
    : parts_(std::move(parts)),
      options_(options),
      compact_interval_(std::min(options.period, kLongestInterval)),
      wait_(options.period) {}

AutoCompactor::~AutoCompactor() { parts_.executor.cancel(timer_); }

env::Duration AutoCompactor::interval() const {
  return options_.mode == AutoCompaction::Mode::periodic ? compact_interval_ / kSamplesPerInterval
                                                         : kRevisionInterval;
}

void AutoCompactor::start() {
  if (options_.mode == AutoCompaction::Mode::off) return;
  parts_.executor.post([this] {
    last_success_ = parts_.executor.now();
    if (options_.mode == AutoCompaction::Mode::periodic) sample();
    timer_ = parts_.executor.post_after(interval(), [this] { step(); });
  });
}

void AutoCompactor::stop() {
  parts_.executor.post([this] {
    stopped_ = true;
    parts_.executor.cancel(std::exchange(timer_, 0));
  });
}

void AutoCompactor::step() {
  if (stopped_) return;
  timer_ = parts_.executor.post_after(interval(), [this] { step(); });
  if (options_.mode == AutoCompaction::Mode::periodic) {
    step_periodic();
    sample();
  } else {
    step_revision();
  }
}

void AutoCompactor::sample() {
  samples_.push_back(parts_.current_revision());
  const size_t kept = static_cast<size_t>(options_.period / interval()) + 1;
  if (samples_.size() > kept) samples_.pop_front();
}

void AutoCompactor::step_periodic() {
  if (compacting_ || !parts_.is_leader()) return;
  const Revision revision = samples_.front();
  if (parts_.executor.now() - last_success_ < wait_ || revision == last_) return;
  wait_ = compact_interval_;
  parts_.log.info("starting auto periodic compaction",
                  {{"revision", revision}, {"compact-period", seconds(options_.period)}});
  compact(revision);
}

void AutoCompactor::step_revision() {
  if (compacting_ || !parts_.is_leader()) return;
  const Revision revision(parts_.current_revision().value - options_.revisions);
  if (revision <= Revision(0) || revision == last_) return;
  parts_.log.info("starting auto revision compaction",
                  {{"revision", revision}, {"revision-compaction-retention", options_.revisions}});
  compact(revision);
}

void AutoCompactor::compact(Revision revision) {
  compacting_ = true;
  std::string request;  // etcdserverpb.CompactionRequest{revision = 1}
  wire::Writer(request).put_nonzero_int64(1, revision.value);
  const env::Instant began = parts_.executor.now();
  parts_.proposer.propose({.reply_on = &parts_.executor}, Command::compaction, request,
                          [this, revision, began](std::unique_ptr<apply::Result> result) {
                            on_compacted(revision, result->status, began);
                          });
}

void AutoCompactor::on_compacted(Revision revision, const absl::Status& status, env::Instant began) {
  compacting_ = false;
  if (status.ok() || is(status, EtcdError::compacted)) {
    last_ = revision;
    last_success_ = parts_.executor.now();
    parts_.log.info("completed auto compaction", {{"revision", revision},
                                                  {"took", seconds(parts_.executor.now() - began)}});
  } else {
    parts_.log.warn("failed auto compaction", {{"revision", revision}, {"error", message(status)}});
  }
}

}  // namespace holdfast::server
