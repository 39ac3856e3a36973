// Entries whose key is too long for LMDB; see kLongKeysName. There are hardly ever any. Private to
// backend/.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "backend/lmdb_env.h"

namespace holdfast::backend {

// Calls return LMDB's codes.
int long_get(MDB_txn* txn, MDB_dbi dbi, Bucket bucket, std::string_view key,
             std::string_view& value);
int long_put(MDB_txn* txn, MDB_dbi dbi, Bucket bucket, std::string_view key,
             std::string_view value);
int long_erase(MDB_txn* txn, MDB_dbi dbi, Bucket bucket, std::string_view key);
// All of a bucket's, by key.
int long_all(MDB_txn* txn, MDB_dbi dbi, Bucket bucket,
             std::map<std::string, std::string_view, std::less<>>& entries);

}  // namespace holdfast::backend
