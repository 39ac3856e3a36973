#include "apps/holdfastutl/snapshot_restore.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "apps/holdfastutl/records.h"
#include "backend/bbolt_import.h"
#include "backend/lmdb_engine.h"
#include "base/check.h"
#include "base/errors.h"
#include "base/wire.h"
#include "fmt/format.h"
#include "fmt/ranges.h"
#include "membership/cluster.h"
#include "membership/initial_cluster.h"
#include "membership/v2_store.h"
#include "os/system_name_resolver.h"
#include "raft/codec.h"
#include "server/cluster_finder.h"
#include "wal/snap_file.h"

namespace holdfast::utl {

namespace {

using backend::Bucket;

// Behind a snapshot that was asked of a server: the digest of what stands before it. Database files are multiples of 512.
constexpr uint64_t kDigestBytes = 32;
constexpr uint64_t kSectorBytes = 512;

absl::Status failed(std::string_view text) { return make_status(absl::StatusCode::kFailedPrecondition, text); }

absl::StatusOr<std::string> digest_of(env::File& file, uint64_t bytes) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  CHECK(context != nullptr && EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) == 1);
  std::string piece(1 << 20, '\0');
  for (uint64_t at = 0; at < bytes;) {
    auto n = file.read_at(at, piece.data(), std::min<uint64_t>(piece.size(), bytes - at));
    if (!n.ok()) return n.status();
    if (*n == 0) return make_status(absl::StatusCode::kDataLoss, "the file became shorter while it was read");
    CHECK(EVP_DigestUpdate(context.get(), piece.data(), *n) == 1);
    at += *n;
  }
  std::string digest(kDigestBytes, '\0');
  CHECK(EVP_DigestFinal_ex(context.get(), reinterpret_cast<unsigned char*>(digest.data()), nullptr) == 1);
  return digest;
}

// As Go prints bytes.
std::string numbers(std::string_view bytes) {
  std::vector<unsigned> values;
  for (const char c : bytes) values.push_back(static_cast<unsigned char>(c));
  return fmt::format("[{}]", fmt::join(values, " "));
}

absl::Status check_digest(Console& console, const RestoreOptions& options) {
  auto file = console.files.open(options.file, env::OpenMode::read);
  if (!file.ok()) return file.status();
  auto size = (*file)->size();
  if (!size.ok()) return size.status();
  if (options.skip_hash_check) return absl::OkStatus();
  if (*size % kSectorBytes != kDigestBytes) return failed("snapshot missing hash but --skip-hash-check=false");
  std::string noted(kDigestBytes, '\0');
  auto n = (*file)->read_at(*size - kDigestBytes, noted.data(), noted.size());
  if (!n.ok()) return n.status();
  auto computed = digest_of(**file, *size - kDigestBytes);
  if (!computed.ok()) return computed.status();
  if (noted == *computed) return absl::OkStatus();
  return make_status(absl::StatusCode::kDataLoss,
                     fmt::format("expected sha256 {}, got {}", numbers(noted), numbers(*computed)));
}

// The options as the member's flags that they are.
absl::StatusOr<server::MemberConfig> founding_config(const RestoreOptions& options) {
  server::MemberConfig config;
  config.name = options.name;
  config.data_dir = options.dir.path;
  config.wal_dir = options.dir.wal_dir;
  config.initial_cluster_token = options.token;
  std::vector<std::string> urls;
  for (size_t from = 0; from <= options.advertise_peer_urls.size();) {
    const size_t comma = std::min(options.advertise_peer_urls.find(',', from), options.advertise_peer_urls.size());
    urls.push_back(options.advertise_peer_urls.substr(from, comma - from));
    from = comma + 1;
  }
  auto own = membership::parse_urls(urls);
  if (!own.ok()) return own.status();
  config.advertise_peer_urls = *std::move(own);
  auto cluster = membership::parse_initial_cluster(options.initial_cluster);
  if (!cluster.ok()) return cluster.status();
  config.initial_cluster = *std::move(cluster);
  os::SystemNameResolver names;
  if (absl::Status s = server::verify_founding(names, config); !s.ok()) return s;
  return config;
}

absl::Status check_target(Console& console, const server::MemberConfig& config) {
  auto names = console.files.list(config.data_dir);
  if (!absl::IsNotFound(names.status()) && (!names.ok() || !names->empty()))
    return failed(fmt::format("data-dir \"{}\" not empty or could not be read", config.data_dir));
  auto has_log = console.files.exists(config.wal_path());
  if (!has_log.ok()) return has_log.status();
  if (*has_log) return failed(fmt::format("wal-dir \"{}\" exists", config.wal_path()));
  return absl::OkStatus();
}

// --- the new cluster ---

struct Founding {
  wal::Metadata self;
  membership::Cluster cluster;
  membership::RecordChanges records;  // of the members
  std::vector<raft::Entry> entries;   // one a member, all committed
  raft::SnapshotMetadata at;          // behind them
};

absl::StatusOr<Founding> found(const server::MemberConfig& config) {
  auto members = membership::founding_members(config.initial_cluster, config.initial_cluster_token);
  if (!members.ok()) return members.status();
  std::vector<MemberId> ids;
  for (const membership::Member& member : *members) ids.push_back(member.id);
  Founding founding;
  founding.self.cluster_id = membership::cluster_id(ids);
  founding.cluster = *membership::Cluster::from_records(founding.self.cluster_id, {});
  for (const membership::Member& member : *members) {
    if (member.name == config.name) founding.self.node_id = member.id;
    founding.cluster.add(member, founding.records);
  }
  founding.at.term = Term(1);
  for (const raft::Peer& peer : membership::bootstrap_peers(*members)) {
    founding.at.index = Index(founding.at.index.value + 1);
    founding.entries.push_back(
        {.term = founding.at.term,
         .index = founding.at.index,
         .type = raft::EntryType::conf_change,
         .data = SharedBytes(raft::encoded(raft::ConfChange{.node_id = peer.id, .context = peer.context}))});
  }
  founding.at.conf_state = founding.cluster.conf_state();
  return founding;
}

absl::Status write_log(Console& console, const server::MemberConfig& config, const Founding& founding) {
  if (absl::Status s = console.files.create_directories(config.wal_path()); !s.ok()) return s;
  auto log = wal::Wal::create(console.wal_world(), {}, config.wal_path(), wal::encode(founding.self));
  if (!log.ok()) return log.status();
  const raft::HardState state{founding.at.term, founding.at.conf_state.voters.front(), founding.at.index};
  if (absl::Status s = (*log)->save(state, founding.entries); !s.ok()) return s;
  wal::Snapshotter snapshotter(console.wal_world(), config.snap_dir());
  const raft::Snapshot snapshot{SharedBytes(membership::to_v2_store_json(founding.cluster)), founding.at};
  if (absl::Status s = snapshotter.save_snap(snapshot); !s.ok()) return s;
  if (absl::Status s = (*log)->save_snapshot({founding.at.index, founding.at.term, founding.at.conf_state}); !s.ok())
    return s;
  return (*log)->close();
}

// --- its state ---

void be64(std::string& bytes, uint64_t value) { wire::append_be64(bytes, value); }

std::vector<std::string> keys_of(backend::Engine::Reader& state, Bucket bucket) {
  std::vector<std::string> keys;
  state.scan(bucket, {}, {}, [&](std::string_view key, std::string_view) {
    keys.emplace_back(key);
    return true;
  });
  return keys;
}

struct Found {
  std::vector<std::string> members, removed;
  int64_t last_revision = 0;
};

Found look_at(backend::Engine& engine) {
  auto state = engine.make_reader();
  state->begin();
  Found found{keys_of(*state, Bucket::members), keys_of(*state, Bucket::members_removed)};
  state->scan_back(Bucket::key, {}, [&](std::string_view key, std::string_view) {
    backend::RevisionKey at;
    if (backend::parse_revision_key(key, at)) found.last_revision = at.revision.main;
    return false;
  });
  state->end();
  return found;
}

void raise_revision(backend::Engine::Writer& writer, int64_t to) {
  const backend::RevisionKeyBytes at(backend::RevisionPair{to, 0});
  writer.put(Bucket::key, at, "");
  writer.put(Bucket::meta, backend::kScheduledCompactKey, at);
}

absl::Status write_backend(Console& console, const server::MemberConfig& config, const RestoreOptions& options,
                           const Founding& founding) {
  auto source = open_database(console, options.file);
  if (!source.ok()) return source.status();
  if (absl::Status s = console.files.create_directories(config.snap_dir()); !s.ok()) return s;
  // Made durable at the end: until there is a log, a member would not start on it.
  auto engine = backend::open_lmdb_engine({.path = config.backend_path(), .sync = backend::Sync::no}, console.files,
                                          console.process, console.log);
  if (!engine.ok()) return engine.status();
  if (absl::Status s = backend::import_bbolt(**source, **engine, [] { return false; }); !s.ok()) return s;
  const Found before = look_at(**engine);
  absl::Status changed = (*engine)->commit([&](backend::Engine::Writer& writer) {
    for (const std::string& key : before.members) writer.erase(Bucket::members, key);
    for (const std::string& key : before.removed) writer.erase(Bucket::members_removed, key);
    for (const membership::RecordChange& record : founding.records)
      writer.put(Bucket::members, record.key, record.value.value_or(""));
    std::string index, term;
    be64(index, founding.at.index.value);
    be64(term, founding.at.term.value);
    writer.put(Bucket::meta, backend::kConsistentIndexKey, index);
    writer.put(Bucket::meta, backend::kTermKey, term);
    if (options.bump_revision > 0)
      raise_revision(writer, before.last_revision + static_cast<int64_t>(options.bump_revision));
  });
  if (!changed.ok()) return changed;
  if (absl::Status s = (*engine)->sync(); !s.ok()) return s;
  (*engine)->close();
  return console.files.sync_directory(config.snap_dir());
}

}  // namespace

absl::Status restore_snapshot(Console& console, RestoreOptions options) {
  if ((options.bump_revision > 0) != options.mark_compacted)
    return make_status(absl::StatusCode::kInvalidArgument, "--mark-compacted required if --revision-bump > 0");
  if (options.bump_revision > uint64_t{INT64_MAX} / 2)
    return make_status(absl::StatusCode::kInvalidArgument, "--bump-revision is too large");
  if (options.dir.path.empty()) options.dir.path = options.name + ".etcd";
  auto config = founding_config(options);
  if (!config.ok()) return config.status();
  auto founding = found(*config);
  if (!founding.ok()) return founding.status();
  if (absl::Status s = check_target(console, *config); !s.ok()) return s;
  if (absl::Status s = check_digest(console, options); !s.ok()) return s;
  if (absl::Status s = write_backend(console, *config, options, *founding); !s.ok()) return s;
  // Last: it is what makes the directory a member's.
  return write_log(console, *config, *founding);
}

}  // namespace holdfast::utl
