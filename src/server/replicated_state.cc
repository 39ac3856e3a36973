#include "server/replicated_state.h"

#include <cmath>
#include <utility>

namespace holdfast::server {

namespace {

apply::StateMachine::Options machine_options(const MemberConfig& config, MemberId self) {
  apply::StateMachine::Options options;
  options.self = self;
  options.quota_backend_bytes = config.quota_backend_bytes;
  options.warning_apply_duration = config.warning_apply_duration;
  options.max_learners = config.max_learners;
  // LEA-02.
  const double election_seconds = static_cast<double>(config.election_timeout().count()) / 1e9;
  options.lease.ttl_min = static_cast<int64_t>(std::ceil(1.5 * election_seconds));
  options.lease.expired_retry_interval = config.request_timeout();
  options.lease.checkpoints = config.lease_checkpoints;
  options.lease_checkpoint_persist = config.lease_checkpoint_persist;
  options.store = {config.compaction_batch_limit, config.compaction_sleep_interval};
  return options;
}

}  // namespace

std::shared_ptr<backend::Backend> ReplicatedState::make_backend(std::unique_ptr<backend::Engine> engine) const {
  return backend::Backend::make_shared(
      std::move(engine),
      backend::BackendOptions{given_.config.backend_batch_interval, given_.config.backend_batch_limit},
      backend::BackendEnvironment{given_.executors.apply, given_.executors.backend, given_.world.process,
                                  given_.world.metrics, given_.world.log});
}

absl::Status ReplicatedState::open(std::unique_ptr<backend::Engine> engine) {
  const Member::World& world = given_.world;
  backend = make_backend(std::move(engine));
  if (absl::Status s = StorageVersion::check(*backend); !s.ok()) return s;
  auto opened = apply::StateMachine::open(
      *backend, membership::Cluster::provisional(given_.log.cluster, given_.log.known_members),
      machine_options(given_.config, given_.log.member),
      {given_.executors.apply, given_.executors.background, world.process, world.metrics, world.log, authorizer});
  if (!opened.ok()) return opened.status();
  machine = *std::move(opened);
  show(backend);
  storage_version_ = std::make_unique<StorageVersion>(*machine, facts_.view, [this] { version_lowered_(); });
  watch_feed = std::make_shared<mvcc::WatchFeed>(machine->store(), world.metrics);  // shared with the hubs
  watch_publisher = std::make_unique<WatchPublisher>(watch_feed);
  observers_.add(*storage_version_);
  observers_.add(*watch_publisher);
  machine->set_observer(&observers_);
  return absl::OkStatus();
}

void ReplicatedState::show(std::shared_ptr<backend::Backend> now) {
  backend = std::move(now);
  facts_.operations.use(backend);
  facts_.view.show(*machine, backend);
}

}  // namespace holdfast::server
