#include "server/lease_checkpointer.h"

#include <utility>

#include "base/errors.h"
#include "base/wire.h"

namespace holdfast::server {

namespace {
constexpr env::Duration kInterval = std::chrono::milliseconds(500);
// In one entry. What is due beyond it follows when that entry is applied.
constexpr size_t kCheckpointsPerEntry = 1000;
}  // namespace

void LeaseCheckpointer::start() {
  parts_.executor.post([this] { check(); });
}

void LeaseCheckpointer::stop() {
  parts_.executor.post([this] {
    stopped_ = true;
    parts_.executor.cancel(std::exchange(timer_, 0));
  });
}

void LeaseCheckpointer::check() {
  if (stopped_) return;
  timer_ = parts_.executor.post_after(kInterval, [this] { check(); });
  if (under_way_) return;
  auto due = parts_.leases.with([this](lease::Lessor& lessor) {
    return lessor.checkpoints_due(parts_.executor.now(), kCheckpointsPerEntry);
  });
  if (due.empty()) return;
  under_way_ = true;
  parts_.leadership.ensure(parts_.executor, [this, due = std::move(due)](bool leads) {
    if (leads) return propose(due);
    under_way_ = false;
  });
}

void LeaseCheckpointer::propose(const std::vector<lease::Checkpoint>& checkpoints) {
  std::string request, one;  // LeaseCheckpointRequest{checkpoints = 1: {ID = 1, remaining_TTL = 2}}
  for (const lease::Checkpoint& checkpoint : checkpoints) {
    one.clear();
    wire::Writer(one).put_nonzero_int64(1, checkpoint.id.value);
    wire::Writer(one).put_nonzero_int64(2, checkpoint.remaining_ttl);
    wire::Writer(request).put_bytes(1, one);
  }
  parts_.proposer.propose({.reply_on = &parts_.executor, .only_as_leader = true}, Command::lease_checkpoint, request,
                          [this](std::unique_ptr<apply::Result> result) {
                            under_way_ = false;
                            if (!result->status.ok())
                              parts_.log.warn("failed to checkpoint leases",
                                              {{"error", message(result->status)}});
                          });
}

}  // namespace holdfast::server
