#include "backend/lmdb_env.h"

#include <cerrno>

#include "backend/backend.h"
#include "base/errors.h"
#include "fmt/format.h"

namespace holdfast::backend {
namespace {

absl::StatusCode code_of(int rc) {
  switch (rc) {
    case ENOSPC:
    case EDQUOT:
    case MDB_MAP_FULL:
    case MDB_TXN_FULL:
      return absl::StatusCode::kResourceExhausted;
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::StatusCode::kPermissionDenied;
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
    case MDB_INCOMPATIBLE:
      return absl::StatusCode::kFailedPrecondition;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_PANIC:
    case MDB_BAD_TXN:
    case EIO:
      return absl::StatusCode::kDataLoss;
    case ENOENT:
      return absl::StatusCode::kNotFound;
    default:
      return absl::StatusCode::kUnknown;
  }
}

}  // namespace

absl::Status lmdb_status(int rc, std::string_view operation, std::string_view path) {
  if (rc == MDB_SUCCESS) return absl::OkStatus();
  return make_status(code_of(rc),
                     fmt::format("backend: {} {}: {}", operation, path, mdb_strerror(rc)));
}

absl::StatusOr<std::shared_ptr<LmdbEnv>> LmdbEnv::open(const LmdbOptions& options) {
  std::shared_ptr<LmdbEnv> self(
      new LmdbEnv);  // shared by the engine and the readers that began on it
  self->path_ = options.path;
  constexpr unsigned kFlags = MDB_NOSUBDIR | MDB_NOTLS | MDB_NORDAHEAD;
  constexpr uint64_t kMapBytesMin = uint64_t{1} << 30;
  for (uint64_t map_bytes = options.map_bytes;; map_bytes /= 2) {
    if (int rc = mdb_env_create(&self->env_); rc != 0)
      return lmdb_status(rc, "mdb_env_create", options.path);
    mdb_env_set_maxdbs(self->env_, kBucketCount + 1);
    mdb_env_set_maxreaders(self->env_, kReadersMax + 2);  // and the committer's own
    int rc = mdb_env_set_mapsize(self->env_, map_bytes);
    if (rc == 0)
      rc = mdb_env_open(self->env_, options.path.c_str(),
                        kFlags | (options.sync == Sync::no ? MDB_NOSYNC : 0), 0600);
    if (rc == 0) break;
    mdb_env_close(self->env_);
    self->env_ = nullptr;
    const bool too_large = rc == ENOMEM || rc == EINVAL;  // EINVAL: under valgrind
    if (!too_large || map_bytes / 2 < kMapBytesMin) return lmdb_status(rc, "open", options.path);
  }
  int dead = 0;
  mdb_reader_check(self->env_, &dead);
  if (absl::Status status = self->open_buckets(); !status.ok()) return status;
  return self;
}

LmdbEnv::~LmdbEnv() {
  if (env_ != nullptr) mdb_env_close(env_);
}

absl::Status LmdbEnv::open_buckets() {
  MDB_txn* txn = nullptr;
  if (int rc = mdb_txn_begin(env_, nullptr, 0, &txn); rc != 0)
    return lmdb_status(rc, "begin", path_);
  auto fail = [&](int rc, std::string_view operation) {
    mdb_txn_abort(txn);
    return lmdb_status(rc, operation, path_);
  };
  MDB_stat stat;
  mdb_env_stat(env_, &stat);
  if (int rc = mdb_dbi_open(txn, nullptr, 0, &main_); rc != 0)
    return fail(rc, "open main database of");
  const int missing = mdb_dbi_open(txn, "key", 0, &dbis_[0]);
  if (missing == MDB_NOTFOUND && stat.ms_entries > 0) {
    mdb_txn_abort(txn);
    return make_status(absl::StatusCode::kFailedPrecondition,
                       fmt::format("backend: {} is an LMDB file of another program", path_));
  }
  for (size_t i = 0; i < kBucketCount; ++i) {
    const std::string bucket_name(name(static_cast<Bucket>(i)));
    if (int rc = mdb_dbi_open(txn, bucket_name.c_str(), MDB_CREATE, &dbis_[i]); rc != 0)
      return fail(rc, "open bucket of");
  }
  if (int rc = mdb_dbi_open(txn, kLongKeysName, MDB_CREATE, &long_keys_); rc != 0)
    return fail(rc, "open bucket of");
  return lmdb_status(mdb_txn_commit(txn), "create buckets of", path_);
}

uint64_t LmdbEnv::counted_bytes() const {
  MDB_envinfo info;
  MDB_stat stat;
  mdb_env_info(env_, &info);
  mdb_env_stat(env_, &stat);
  return (info.me_last_pgno + 1) * stat.ms_psize;
}

EngineSizes LmdbEnv::sizes(MDB_txn* txn) const {
  constexpr MDB_dbi kFreeList = 0;
  constexpr size_t kMetaPages = 2;
  size_t pages = kMetaPages;
  size_t page_bytes = 0;
  auto add = [&](MDB_dbi dbi) {
    MDB_stat stat;
    if (mdb_stat(txn, dbi, &stat) != 0) return;
    page_bytes = stat.ms_psize;
    pages += stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages;
  };
  add(kFreeList);
  add(main_);
  for (MDB_dbi dbi : dbis_) add(dbi);
  add(long_keys_);
  return {static_cast<int64_t>(counted_bytes()), static_cast<int64_t>(pages * page_bytes)};
}

absl::StatusOr<const char*> LmdbEnv::mapped_address() const {
  MDB_txn* txn = nullptr;
  if (int rc = mdb_txn_begin(env_, nullptr, MDB_RDONLY, &txn); rc != 0)
    return lmdb_status(rc, "begin", path_);
  MDB_val key = to_val("key");
  MDB_val value;
  const int rc = mdb_get(txn, main_, &key, &value);
  mdb_txn_abort(txn);
  if (rc != 0) return lmdb_status(rc, "read", path_);
  return static_cast<const char*>(value.mv_data);
}

}  // namespace holdfast::backend
