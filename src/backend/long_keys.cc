#include "backend/long_keys.h"

#include <cstring>

#include "base/wire.h"

namespace holdfast::backend {
namespace {

constexpr size_t kLengthBytes = 4;

uint64_t fnv1a(std::string_view bytes) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (unsigned char c : bytes) hash = (hash ^ c) * 0x100000001b3u;
  return hash;
}

std::string prefix_of(Bucket bucket, std::string_view key) {
  std::string prefix(1, static_cast<char>(bucket));
  wire::append_be64(prefix, fnv1a(key));
  return prefix;
}

std::string number(uint32_t n) {
  n = __builtin_bswap32(n);
  return std::string(reinterpret_cast<const char*>(&n), sizeof n);
}

bool split(std::string_view stored, std::string_view& key, std::string_view& value) {
  uint32_t length = 0;
  if (stored.size() < kLengthBytes) return false;
  std::memcpy(&length, stored.data(), kLengthBytes);
  if (stored.size() - kLengthBytes < length) return false;
  key = stored.substr(kLengthBytes, length);
  value = stored.substr(kLengthBytes + length);
  return true;
}

// The place of `key`; MDB_NOTFOUND: `place` is the first free one.
int find(MDB_txn* txn, MDB_dbi dbi, Bucket bucket, std::string_view key, std::string& place,
         std::string_view& value) {
  const std::string prefix = prefix_of(bucket, key);
  std::string free_place;
  for (uint32_t n = 0;; ++n) {
    place = prefix + number(n);
    MDB_val at = to_val(place);
    MDB_val stored;
    const int rc = mdb_get(txn, dbi, &at, &stored);
    if (rc == MDB_NOTFOUND) return rc;
    if (rc != 0) return rc;
    std::string_view found;
    if (!split(to_view(stored), found, value)) return MDB_CORRUPTED;
    if (found == key) return 0;
  }
}

}  // namespace

int long_get(MDB_txn* txn, MDB_dbi dbi, Bucket bucket, std::string_view key,
             std::string_view& value) {
  std::string place;
  return find(txn, dbi, bucket, key, place, value);
}

int long_put(MDB_txn* txn, MDB_dbi dbi, Bucket bucket, std::string_view key,
             std::string_view value) {
  std::string place;
  std::string_view old;
  const int rc = find(txn, dbi, bucket, key, place, old);
  if (rc != 0 && rc != MDB_NOTFOUND) return rc;
  const uint32_t length = static_cast<uint32_t>(key.size());
  std::string stored(reinterpret_cast<const char*>(&length), kLengthBytes);
  stored.append(key).append(value);
  MDB_val at = to_val(place);
  MDB_val bytes = to_val(stored);
  return mdb_put(txn, dbi, &at, &bytes, 0);
}

int long_erase(MDB_txn* txn, MDB_dbi dbi, Bucket bucket, std::string_view key) {
  std::string place;
  std::string_view old;
  int rc = find(txn, dbi, bucket, key, place, old);
  if (rc == MDB_NOTFOUND) return 0;
  if (rc != 0) return rc;
  // Close the gap that would hide entries of the same hash behind it: the last one moves here.
  const std::string prefix = prefix_of(bucket, key);
  std::string last = place;
  uint32_t n = 0;
  std::memcpy(&n, place.data() + prefix.size(), sizeof n);
  std::string moved;
  for (n = __builtin_bswap32(n) + 1;; ++n) {
    std::string next = prefix + number(n);
    MDB_val at = to_val(next);
    MDB_val stored;
    rc = mdb_get(txn, dbi, &at, &stored);
    if (rc == MDB_NOTFOUND) break;
    if (rc != 0) return rc;
    moved.assign(to_view(stored));
    last = std::move(next);
  }
  if (last != place) {
    MDB_val at = to_val(place);
    MDB_val bytes = to_val(moved);
    if ((rc = mdb_put(txn, dbi, &at, &bytes, 0)) != 0) return rc;
  }
  MDB_val at = to_val(last);
  return mdb_del(txn, dbi, &at, nullptr);
}

int long_all(MDB_txn* txn, MDB_dbi dbi, Bucket bucket,
             std::map<std::string_view, std::string_view>& entries) {
  MDB_stat stat;
  if (int rc = mdb_stat(txn, dbi, &stat); rc != 0 || stat.ms_entries == 0) return rc;
  MDB_cursor* cursor = nullptr;
  if (int rc = mdb_cursor_open(txn, dbi, &cursor); rc != 0) return rc;
  const std::string prefix(1, static_cast<char>(bucket));
  MDB_val at = to_val(prefix);
  MDB_val stored;
  int rc = mdb_cursor_get(cursor, &at, &stored, MDB_SET_RANGE);
  for (; rc == 0 && to_view(at).substr(0, 1) == prefix;
       rc = mdb_cursor_get(cursor, &at, &stored, MDB_NEXT)) {
    std::string_view key, value;
    if (!split(to_view(stored), key, value)) {
      rc = MDB_CORRUPTED;
      break;
    }
    entries.emplace(key, value);
  }
  mdb_cursor_close(cursor);
  return rc == MDB_NOTFOUND ? 0 : rc;
}

}  // namespace holdfast::backend
