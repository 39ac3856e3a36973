#include "server/bootstrap.h"

#include <algorithm>
#include <set>

#include "base/errors.h"
#include "fmt/format.h"
#include "membership/initial_cluster.h"
#include "raft/codec.h"
#include "wal/record.h"
#include "wal/snap_file.h"

namespace holdfast::server {

namespace {

absl::Status failed(std::string_view message) {
  return make_status(absl::StatusCode::kFailedPrecondition, message);
}

absl::Status with_prefix(std::string_view prefix, const absl::Status& status) {
  return make_status(status.code(), fmt::format("{}: {}", prefix, message(status)));
}

// Makes sure that files can be made in the directory, as etcd's fileutil.TouchDirAll does.
absl::Status touch_directory(env::FileSystem& files, const std::string& path) {
  if (absl::Status s = files.create_directories(path); !s.ok()) return s;
  const std::string probe = path + "/.touch";
  auto file = files.open(probe, env::OpenMode::create_or_open);
  if (!file.ok()) return file.status();
  file->reset();
  return files.remove(probe);
}

std::string parent_of(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  const size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// A directory whose name a power cut can take away takes along whatever was synced inside it.
absl::Status sync_names(env::FileSystem& files, const MemberConfig& config) {
  for (const std::string& directory : {config.snap_dir(), config.member_dir(), config.data_dir})
    if (absl::Status s = files.sync_directory(directory); !s.ok()) return s;
  // Around the data directory not everything may be ours to open.
  const absl::Status around = files.sync_directory(parent_of(config.data_dir));
  return absl::IsPermissionDenied(around) ? absl::OkStatus() : around;
}

absl::StatusOr<bool> exists(env::FileSystem& files, const std::string& path) {
  return files.exists(path);
}

// bbolt's first page: a magic number 16 bytes into the file.
absl::StatusOr<bool> is_bbolt(env::FileSystem& files, const std::string& path) {
  auto present = files.exists(path);
  if (!present.ok() || !*present) return present;
  auto file = files.open(path, env::OpenMode::read);
  if (!file.ok()) return file.status();
  char head[20] = {};
  auto n = (*file)->read_at(0, head, sizeof head);
  if (!n.ok()) return n.status();
  constexpr std::string_view kMagic("\xED\xDA\x0C\xED", 4);
  return std::string_view(head + 16, 4) == kMagic;
}

wal::Options wal_options(const MemberConfig& config) {
  return {.segment_bytes = config.wal_segment_bytes,
          .zero_ahead_bytes = config.wal_zero_ahead_bytes,
          .fsync = config.unsafe_no_fsync ? wal::Fsync::unsafe_no : wal::Fsync::yes};
}

}  // namespace

absl::StatusOr<DataDirectory> prepare_data_directory(env::FileSystem& files, Logger& log,
                                                     const MemberConfig& config) {
  const auto has_member = exists(files, config.member_dir());
  const auto has_proxy = exists(files, config.data_dir + "/proxy");
  if (!has_member.ok())
    return with_prefix("cannot access data directory", has_member.status());
  if (has_proxy.ok() && *has_proxy)
    return failed(*has_member
                      ? "invalid datadir; both member and proxy directories exist"
                      : fmt::format("data directory {} belongs to a proxy, which is not supported",
                                    config.data_dir));
  if (absl::Status s = touch_directory(files, config.data_dir); !s.ok())
    return with_prefix("cannot access data directory", s);
  if (absl::Status s = touch_directory(files, config.member_dir()); !s.ok())
    return with_prefix("cannot access member directory", s);
  if (absl::Status s = files.create_directories(config.snap_dir()); !s.ok())
    return with_prefix("cannot access snapshot directory", s);
  if (absl::Status s = sync_names(files, config); !s.ok())
    return with_prefix("cannot sync data directory", s);

  DataDirectory result;
  auto backend = files.exists(config.backend_path());
  if (!backend.ok()) return backend.status();
  result.has_backend = *backend;
  const std::string bbolt_path = config.snap_dir() + "/db";
  auto foreign = is_bbolt(files, bbolt_path);
  if (!foreign.ok()) return foreign.status();
  result.has_etcd_database = *foreign;
  result.has_log = wal::exists(files, config.wal_path());
  if (result.has_log && !result.has_backend && !result.has_etcd_database)
    return make_status(absl::StatusCode::kDataLoss,
                       fmt::format("database file ({}) of the backend is missing",
                                   config.backend_path()));
  if (!result.has_log && result.has_backend)
    log.warn("found a backend without a log; the log directory may have been moved or removed",
             {{"path", config.backend_path()}, {"wal-dir", config.wal_path()}});
  return result;
}

absl::StatusOr<ClusterOrigin> origin_by_flags(const MemberConfig& config) {
  if (config.initial_cluster_state == ClusterState::existing)
    return failed("the members of an existing cluster must be asked before this one can join it");
  auto members = membership::founding_members(config.initial_cluster, config.initial_cluster_token);
  if (!members.ok()) return members.status();
  const auto self = std::find_if(members->begin(), members->end(),
                                 [&](const auto& m) { return m.name == config.name; });
  if (self == members->end())
    return failed(fmt::format("couldn't find local name \"{}\" in the initial cluster configuration",
                              config.name));
  std::vector<MemberId> ids;
  for (const membership::Member& m : *members) ids.push_back(m.id);
  return ClusterOrigin{.self = self->id,
                       .cluster = membership::cluster_id(ids),
                       .members = *std::move(members)};
}

absl::StatusOr<Log> begin_log(const wal::World& world, const MemberConfig& config,
                              const ClusterOrigin& origin) {
  Log log;
  log.member = origin.self;
  log.cluster = origin.cluster;
  log.known_members = origin.members;
  log.remotes = origin.remotes;
  if (origin.kind == ClusterOrigin::Kind::founded)
    log.founders = membership::bootstrap_peers(origin.members);
  auto wal = wal::Wal::create(world, wal_options(config), config.wal_path(),
                              wal::encode(wal::Metadata{log.member, log.cluster}));
  if (!wal.ok()) return with_prefix("failed to create WAL", wal.status());
  log.wal = *std::move(wal);
  world.logger.info("starting local member",
                    {{"local-member-id", log.member}, {"cluster-id", log.cluster}});
  return log;
}

absl::StatusOr<Log> reopen_log(const wal::World& world, const MemberConfig& config) {
  auto opened = wal::Wal::open_newest(world, wal_options(config), config.wal_path(),
                                      wal::newest_snapshot_file(world.files, config.snap_dir()));
  if (!opened.ok()) return with_prefix("failed to open WAL", opened.status());
  auto metadata = wal::decode_metadata(opened->contents.metadata);
  if (!metadata.ok()) return with_prefix("failed to read WAL metadata", metadata.status());

  Log log;
  log.reopened = true;
  log.member = metadata->node_id;
  log.cluster = metadata->cluster_id;
  log.wal = std::move(opened->wal);
  log.snapshot.index = opened->from.index;
  log.snapshot.term = opened->from.term;
  log.contents = std::move(opened->contents);
  world.logger.info("restarting local member",
                    {{"cluster-id", log.cluster},
                     {"local-member-id", log.member},
                     {"commit-index", log.contents.hard_state.commit},
                     {"snapshot-index", log.snapshot.index}});
  return log;
}

namespace {

raft::Entry conf_change_entry(const raft::HardState& state, Index index, raft::ConfChange change) {
  return {.term = state.term,
          .index = index,
          .type = raft::EntryType::conf_change,
          .data = SharedBytes(raft::encoded(change))};
}

// Everybody who is in the configuration or comes into it by these entries.
absl::StatusOr<std::set<MemberId>> members_of(const raft::ConfState& conf_state,
                                              const std::vector<raft::Entry>& entries) {
  std::set<MemberId> ids(conf_state.voters.begin(), conf_state.voters.end());
  ids.insert(conf_state.learners.begin(), conf_state.learners.end());
  for (const raft::Entry& entry : entries) {
    if (entry.type != raft::EntryType::conf_change) continue;
    auto change = raft::decode_conf_change(entry.data);
    if (!change.ok()) return change.status();
    if (change->type == raft::ConfChangeType::remove_node)
      ids.erase(change->node_id);
    else if (change->type != raft::ConfChangeType::update_node)
      ids.insert(change->node_id);
  }
  return ids;
}

// What is applied was synced to the log before. If the log ends earlier, the disk lost what it said it had: this member may
// have acknowledged entries, and given votes, that it knows nothing of. It would pass over the entries that come in the
// place of the lost ones, since its database has their indexes. etcd doesn't look.
absl::Status check_log_reaches(const Log& log, Index consistent_index) {
  const std::vector<raft::Entry>& entries = log.contents.entries;
  const Index last = entries.empty() ? log.snapshot.index : entries.back().index;
  if (!log.reopened || consistent_index <= last) return absl::OkStatus();
  return make_status(
      absl::StatusCode::kDataLoss,
      fmt::format("the log ends at index {}, before what the database has applied (index {}); entries that were synced are "
                  "lost: remove this member and add it anew",
                  last.value, consistent_index.value));
}

}  // namespace

absl::Status force_new_cluster(Log& log, Logger& logger, const raft::ConfState& conf_state,
                               Index consistent_index) {
  if (absl::Status s = check_log_reaches(log, consistent_index); !s.ok()) return s;
  raft::HardState& state = log.contents.hard_state;
  std::vector<raft::Entry>& entries = log.contents.entries;
  const Index commit_by_log = state.commit;
  state.commit = std::max(state.commit, consistent_index);
  const auto uncommitted =
      std::find_if(entries.begin(), entries.end(),
                   [&](const raft::Entry& entry) { return entry.index > state.commit; });
  if (uncommitted != entries.end())
    logger.info("discarding uncommitted WAL entries",
                {{"entry-index", uncommitted->index},
                 {"commit-index-from-wal", state.commit},
                 {"number-of-discarded-entries", static_cast<int64_t>(entries.end() - uncommitted)}});
  entries.erase(uncommitted, entries.end());

  auto ids = members_of(conf_state, entries);
  if (!ids.ok()) return with_prefix("failed to read WAL", ids.status());
  std::vector<raft::Entry> forced;
  const auto append = [&](raft::ConfChange change) {
    forced.push_back(conf_change_entry(state, state.commit + 1 + forced.size(), std::move(change)));
  };
  // This member first: raft must have a voter at all times.
  if (!ids->contains(log.member))
    append({.type = raft::ConfChangeType::add_node,
            .node_id = log.member,
            .context = SharedBytes(membership::to_json(
                membership::Member{.id = log.member, .peer_urls = {"http://localhost:2380"}}))});
  for (MemberId id : *ids)
    if (id != log.member) append({.type = raft::ConfChangeType::remove_node, .node_id = id});
  if (!forced.empty()) {
    if (absl::Status s = log.wal->save({}, forced); !s.ok())
      return with_prefix("failed to save hard state and entries", s);
    entries.insert(entries.end(), forced.begin(), forced.end());
    state.commit = entries.back().index;
  }
  logger.info("forcing restart member", {{"cluster-id", log.cluster},
                                         {"local-member-id", log.member},
                                         {"wal-commit-index", commit_by_log},
                                         {"commit-index", state.commit}});
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<raft::MemoryStorage>> make_raft_storage(
    const Log& log, const raft::ConfState& conf_state, Index consistent_index,
    const std::string& backend_path) {
  if (consistent_index < log.snapshot.index)
    return make_status(
        absl::StatusCode::kDataLoss,
        fmt::format("database file ({} index {}) does not match with snapshot (index {})",
                    backend_path, consistent_index.value, log.snapshot.index.value));
  if (absl::Status s = check_log_reaches(log, consistent_index); !s.ok()) return s;
  auto storage = std::make_unique<raft::MemoryStorage>();
  raft::Snapshot snapshot;
  snapshot.metadata = {conf_state, log.snapshot.index, log.snapshot.term};
  CHECK(storage->apply_snapshot(std::move(snapshot)));
  raft::HardState state = log.contents.hard_state;
  // The state stands behind the entries that it was saved with. If that write was cut between them, the last entry is of a
  // term that the state doesn't know of: that term has begun, and nobody was promised a vote in it.
  const Term last_term = log.contents.entries.empty() ? log.snapshot.term : log.contents.entries.back().term;
  if (state.term < last_term) {
    state.term = last_term;
    state.vote = raft::kNone;
  }
  storage->set_hard_state(state);
  if (!log.contents.entries.empty()) storage->append(log.contents.entries);
  return storage;
}

}  // namespace holdfast::server
