// One open LMDB file. Private to backend/.
#pragma once

#include <lmdb.h>

#include <array>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backend/bucket.h"
#include "backend/engine.h"
#include "backend/lmdb_engine.h"

namespace holdfast::backend {

absl::Status lmdb_status(int rc, std::string_view operation, std::string_view path);

inline MDB_val to_val(std::string_view bytes) {
  return {bytes.size(), const_cast<char*>(bytes.data())};
}
inline std::string_view to_view(const MDB_val& val) {
  return {static_cast<const char*>(val.mv_data), val.mv_size};
}

// LMDB takes keys of up to 511 bytes, etcd's users and roles may have longer names. Such entries
// stand in a database of their own: <bucket byte><8-byte hash of the key><4-byte number> -> <4-byte
// length><key><value>.
inline constexpr size_t kKeyBytesMax = 511;
inline constexpr const char* kLongKeysName = "~long";

class LmdbEnv {
 public:
  // Opens or creates the file; no lock against other processes, no look at what may be wrong with
  // it.
  static absl::StatusOr<std::shared_ptr<LmdbEnv>> open(const LmdbOptions& options);
  ~LmdbEnv();
  LmdbEnv(const LmdbEnv&) = delete;
  LmdbEnv& operator=(const LmdbEnv&) = delete;

  MDB_env* env() const { return env_; }
  MDB_dbi dbi(Bucket bucket) const { return dbis_[static_cast<size_t>(bucket)]; }
  MDB_dbi long_keys() const { return long_keys_; }
  // In bytes; what the file must hold for the pages that LMDB counts.
  uint64_t counted_bytes() const;
  EngineSizes sizes(MDB_txn* txn) const;
  // Some address inside the map.
  absl::StatusOr<const char*> mapped_address() const;

 private:
  LmdbEnv() = default;
  absl::Status open_buckets();

  MDB_env* env_ = nullptr;
  std::string path_;
  MDB_dbi main_ = 0;
  std::array<MDB_dbi, kBucketCount> dbis_{};
  MDB_dbi long_keys_ = 0;
};

}  // namespace holdfast::backend
