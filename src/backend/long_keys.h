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
// All of a bucket's, by key; views into the file.
int long_all(MDB_txn* txn, MDB_dbi dbi, Bucket bucket,
             std::map<std::string_view, std::string_view>& entries);

}  // namespace holdfast::backend
