#include "apply/state_machine.h"

#include <array>

#include "apply/apply_metrics.h"
#include "apply/expected_key.h"
#include "apply/request_text.h"
#include "base/check.h"
#include "base/errors.h"
#include "base/mutant.h"
#include "fmt/format.h"
#include "raft_internal.pb.h"

namespace holdfast::apply {

namespace {

using backend::Bucket;

// The store goes before its backend, both on the owner's executor.
struct Dropped {
  std::shared_ptr<backend::Backend> backend;  // shared with those who read it without a store
  std::unique_ptr<mvcc::Store> store;
};

std::shared_ptr<mvcc::Store> share(std::unique_ptr<mvcc::Store> store, backend::Backend& backend,
                                   env::Executor& owner) {
  return {store.release(), [&owner, keep = backend.shared_or_null()](mvcc::Store* last) mutable {
            Dropped dropped{std::move(keep), std::unique_ptr<mvcc::Store>(last)};
            if (!owner.running_here()) owner.post([dropped = std::move(dropped)] {});
          }};
}

// PUT-17.
bool has_no_effect(CommandKind kind) {
  return kind == CommandKind::range || kind == CommandKind::auth_user_get ||
         kind == CommandKind::auth_role_get || kind == CommandKind::auth_status;
}

}  // namespace

StateMachine::StateMachine(membership::Cluster members, const Options& options,
                           const Environment& environment)
    : options_(options),
      environment_(environment),
      quota_(options.quota_backend_bytes),
      metrics_(std::make_unique<ApplyMetrics>(environment.metrics)),
      leases_(options.lease, environment.metrics),
      alarms_(environment.metrics),
      cluster_(std::move(members)) {}

StateMachine::~StateMachine() {
  if (backend_ != nullptr) backend_->set_commit_hook({});
}

absl::StatusOr<std::unique_ptr<StateMachine>> StateMachine::open(backend::Backend& backend,
                                                                 membership::Cluster members,
                                                                 const Options& options,
                                                                 const Environment& environment) {
  auto machine = std::unique_ptr<StateMachine>(
      new StateMachine(std::move(members), options, environment));
  if (absl::Status status = machine->load(backend); !status.ok()) return status;
  return machine;
}

absl::Status StateMachine::install(backend::Backend& backend) {
  backend_->set_commit_hook({});
  if (absl::Status status = load(backend); !status.ok()) return status;
  if (observer_ != nullptr) observer_->on_store_installed(store_);
  return absl::OkStatus();
}

// The leases first: the store hangs the keys it finds on them (BKT-16).
absl::Status StateMachine::load(backend::Backend& backend) {
  if (absl::Status status = [&] {
        backend::ReadView view = backend.view();
        consistent_ = backend::read_consistent_index(view);
        return load_leases(view);
      }();
      !status.ok())
    return status;
  auto store = mvcc::Store::open(backend, leases_, options_.store,
                                 {.background = environment_.background,
                                  .metrics = environment_.metrics,
                                  .log = environment_.log});
  if (!store.ok()) return store.status();
  store_ = share(*std::move(store), backend, environment_.owner);
  backend_ = &backend;
  {
    backend::ReadView view = backend.view();
    if (absl::Status status = alarms_.restore(view); !status.ok()) return status;
    if (absl::Status status = load_members(view); !status.ok()) return status;
  }
  conf_state_changed_ = false;
  backend.set_commit_hook([this](backend::Backend& b) { save_progress(b); });
  show_cluster();
  if (observer_ != nullptr) observer_->on_alarms_changed();
  return absl::OkStatus();
}

absl::Status StateMachine::load_leases(backend::ReadView& view) {
  std::vector<lease::LeaseRecord> records;
  bool understood = true;
  view.scan(Bucket::lease, {}, {}, [&](std::string_view, std::string_view value) {
    auto record = lease::parse_record(value);
    understood = record.has_value();
    if (understood) records.push_back(*record);
    return understood;
  });
  if (!understood) return make_status(absl::StatusCode::kDataLoss, "a lease record is damaged");
  leases_.with([&](lease::Lessor& lessor) { lessor.restore(records); });
  return absl::OkStatus();
}

absl::Status StateMachine::load_members(backend::ReadView& view) {
  membership::StoredRecords records;
  view.scan(Bucket::members, {}, {}, [&](std::string_view key, std::string_view value) {
    records.members.emplace_back(key, value);
    return true;
  });
  view.scan(Bucket::members_removed, {}, {}, [&](std::string_view key, std::string_view) {
    records.members_removed.emplace_back(key);
    return true;
  });
  records.cluster_version = view.get(Bucket::cluster, membership::kClusterVersionKey);
  records.downgrade = view.get(Bucket::cluster, membership::kDowngradeKey);
  if (!records.members.empty() || !records.members_removed.empty()) {
    auto cluster = membership::Cluster::from_records(cluster_.id(), records);
    if (!cluster.ok()) return cluster.status();
    cluster_ = *std::move(cluster);
  }
  if (!cluster_.version()) return absl::OkStatus();
  return membership::check_not_older(options_.server_version, *cluster_.version());
}

// The commit hook: what a batch holds, and up to where it came, are committed together (TRP-54).
void StateMachine::save_progress(backend::Backend& backend) {
  backend::ConsistentIndex progress = consistent_;
  // As etcd 3.5.0 to 3.5.2 could: the index of an entry was committed before what the entry changed.
  if (mutant("apply.index_before_its_entry")) ++progress.index;
  backend::put_consistent_index(backend, progress);
  if (!std::exchange(conf_state_changed_, false)) return;
  backend.put(Bucket::meta, backend::kConfStateKey, membership::to_json(cluster_.conf_state()));
}

std::shared_ptr<const membership::Cluster> StateMachine::cluster() const {
  std::lock_guard lock(shown_mutex_);
  return shown_;
}

void StateMachine::show_cluster() {
  auto copy = std::make_shared<const membership::Cluster>(cluster_);
  metrics_->show(*copy, options_.self);
  {
    std::lock_guard lock(shown_mutex_);
    shown_ = copy;
  }
  if (observer_ != nullptr) observer_->on_cluster_changed(copy);
}

// --- entries ---

bool StateMachine::begin_entry(Index index, Term term) {
  if (index.value <= consistent_.index && !mutant("apply.twice_after_restart")) return false;
  consistent_ = {.index = index.value, .term = term.value};
  return true;
}

void StateMachine::expect(const raft::Entry* entries, size_t count) {
  CHECK(count <= kExpectedMax);
  std::array<std::string_view, kExpectedMax> keys;
  size_t known = 0;
  for (size_t i = 0; i < count; ++i) {
    keys[known] = entries[i].type == raft::EntryType::normal ? expected_key(entries[i].data.view()) : std::string_view();
    if (!keys[known].empty()) ++known;
  }
  if (known > 1) store_->expect(keys.data(), known);
}

const ParsedRequest& StateMachine::parse(const raft::Entry& entry) {
  if (!request_.parse(entry.data.view()))
    environment_.process.die(
        fmt::format("the payload of entry {} is no request", entry.index.value));
  return request_;
}

std::unique_ptr<Result> StateMachine::apply(const ParsedRequest& request,
                                            const ApplyOptions& options) {
  if (!options.has_waiter && has_no_effect(request.kind())) return nullptr;
  const env::Instant began = environment_.owner.now();
  Result result;
  if (!dispatch_always(request, options.should_apply)) {
    if (!options.should_apply) return nullptr;
    dispatch(request, options.has_waiter, result);
  }
  report(request, environment_.owner.now() - began, result);
  if (!options.should_apply) return nullptr;
  if (!options.has_waiter && !is(result.status, EtcdError::no_space)) return nullptr;
  return std::make_unique<Result>(std::move(result));
}

// Commands whose effect in memory comes before the question whether the entry is new (PUT-16).
bool StateMachine::dispatch_always(const ParsedRequest& request, bool should_apply) {
  switch (request.kind()) {
    case CommandKind::cluster_version_set:
      apply_cluster_version(request, should_apply);
      return true;
    case CommandKind::cluster_member_attr_set:
      apply_member_attributes(request, should_apply);
      return true;
    case CommandKind::downgrade_info_set:
      apply_downgrade(request, should_apply);
      return true;
    case CommandKind::downgrade_version_test:
    case CommandKind::v2:
      return true;  // VER-10, MEM-10
    default:
      return false;
  }
}

void StateMachine::dispatch(const ParsedRequest& request, bool has_waiter, Result& result) {
  result.status = refuse(request);
  if (!result.status.ok()) return;
  switch (request.kind()) {
    case CommandKind::range:
      return apply_range(request, result);
    case CommandKind::put:
      return apply_put(request, has_waiter, result);
    case CommandKind::delete_range:
      return apply_delete_range(request, has_waiter, result);
    case CommandKind::txn:
      return apply_txn(request, has_waiter, result);
    case CommandKind::compaction:
      return apply_compaction(request, has_waiter, result);
    case CommandKind::lease_grant:
      return apply_lease_grant(request, has_waiter, result);
    case CommandKind::lease_revoke:
      return apply_lease_revoke(request, has_waiter, result);
    case CommandKind::lease_checkpoint:
      return apply_lease_checkpoint(request, has_waiter, result);
    case CommandKind::alarm:
      return apply_alarm(request, has_waiter, result);
    case CommandKind::none:
      environment_.process.die("an entry holds a command that this version doesn't know");
      break;
    default:
      // Authentication: without effect on every member alike.
      result.status = make_status(absl::StatusCode::kUnimplemented,
                                  "etcdserver: authentication is not supported");
  }
}

// MNT-03: what the alarms forbid, corrupt before nospace.
absl::Status StateMachine::refuse(const ParsedRequest& request) const {
  const CommandKind kind = request.kind();
  if (alarms_.has_corrupt() &&
      (kind == CommandKind::put || kind == CommandKind::range ||
       kind == CommandKind::delete_range || kind == CommandKind::txn ||
       kind == CommandKind::compaction || kind == CommandKind::lease_grant ||
       kind == CommandKind::lease_revoke))
    return error(EtcdError::corrupt);
  if (alarms_.has_nospace() &&
      (kind == CommandKind::put || kind == CommandKind::lease_grant ||
       (kind == CommandKind::txn && cost(request.message().txn()) > 0)))
    return error(EtcdError::no_space);
  return absl::OkStatus();
}

void StateMachine::report(const ParsedRequest& request, env::Duration took, const Result& result) {
  const bool success = result.status.ok() || is(result.status, EtcdError::compacted);
  metrics_->observe_apply(request.kind(), success, took);
  const bool slow = took > options_.warning_apply_duration;
  if (slow) metrics_->slow.increment();
  if ((success && !slow) || !environment_.log.enabled(LogLevel::warn)) return;

  const std::string text = loggable(request);
  const std::string response =
      result.response ? fmt::format("size:{}", result.response->ByteSizeLong()) : "";
  const auto milliseconds = [](env::Duration d) {
    return fmt::format("{:.3f}ms", std::chrono::duration<double, std::milli>(d).count());
  };
  std::vector<LogField> fields = {{"took", milliseconds(took)},
                                  {"request", text},
                                  {"response", response}};
  if (!result.status.ok()) fields.emplace_back("error", message(result.status));
  if (!success)
    environment_.log.write(LogLevel::warn, "failed to apply request", fields, __FILE__, __LINE__);
  if (!slow) return;
  fields.emplace_back("expected-duration", milliseconds(options_.warning_apply_duration));
  fields.emplace_back("prefix", "");
  environment_.log.write(LogLevel::warn, "apply request took too long", fields, __FILE__, __LINE__);
}

void StateMachine::end(mvcc::WriteTxn& txn) {
  txn.end();
  if (observer_ != nullptr && !txn.changes().empty())
    observer_->on_changes(txn.result_revision(), txn.changes());
}

}  // namespace holdfast::apply
