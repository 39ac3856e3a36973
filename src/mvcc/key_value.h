// A key-value pair and its stored form: mvccpb.KeyValue in protobuf, encoded as Go does it, because
// HashKV and snapshots compare the bytes (parity BKT-02, BKT-17, TRP-57). Fields: 1 key, 2
// create_revision, 3 mod_revision, 4 version, 5 value, 6 lease; zero and empty ones left out. A
// tombstone is stored with its key only.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "backend/revision_key.h"
#include "base/types.h"

namespace holdfast::mvcc {

using backend::RevisionKey;
using backend::RevisionPair;

struct KeyValue {
  std::string key;
  std::string value;
  Revision create_revision;
  Revision mod_revision;
  int64_t version = 0;
  LeaseId lease;
  bool operator==(const KeyValue&) const = default;
};

// The same without owning the bytes. `encoded` is the stored record (empty if the pair came from
// the index alone, KV-07): it is a mvccpb.KeyValue message that a reply may take over verbatim.
struct KeyValueView {
  std::string_view key;
  std::string_view value;
  Revision create_revision;
  Revision mod_revision;
  int64_t version = 0;
  LeaseId lease;
  std::string_view encoded;

  KeyValue copy() const {
    return {std::string(key), std::string(value), create_revision, mod_revision, version, lease};
  }
};

// Size of the stored form of `kv` (its `encoded` is ignored).
size_t encoded_size(const KeyValueView& kv);
// Writes exactly encoded_size(kv) bytes; returns the same pair with its bytes there.
KeyValueView encode(const KeyValueView& kv, char* to);
std::string encode(const KeyValueView& kv);

// Points into `bytes`. False if malformed; unknown fields are skipped.
bool decode(std::string_view bytes, KeyValueView& kv);

}  // namespace holdfast::mvcc
