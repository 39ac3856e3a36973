// Writes RangeResponse messages straight from the store's records: a stored record is the wire form
// of its KeyValue, so a pair is one copy from the store into the answer. For ranges in key order
// without revision filters; others go through apply/range.h.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "mvcc/store.h"

namespace holdfast::server {

struct EncodedRange {
  int64_t pairs = 0;  // written
  int64_t count = 0;  // RangeResponse.count
  bool more = false;  // there are pairs beyond the limit
  Revision revision;  // current for the transaction
  std::string
      last_key;  // of the last pair within the limit, if asked for and the limit was reached
};

struct RangeToEncode {
  std::string_view key;
  std::string_view end;
  int64_t limit = 0;  // <= 0: none
  int64_t revision = 0;
  bool keys_only = false;
  bool count_only = false;
  mvcc::Count count = mvcc::Count::total;
  bool want_last_key = false;
  const std::function<bool()>* cancelled = nullptr;
};

// Appends field 2 (kvs) for each pair. `more` and `count` are left to append_more_and_count(),
// since a stream sends them in its last message only.
absl::StatusOr<EncodedRange> append_pairs(std::string& out, mvcc::TxnRead& txn,
                                          const RangeToEncode& range);
void append_more_and_count(std::string& out, bool more, int64_t count);

}  // namespace holdfast::server
