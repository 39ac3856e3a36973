// GET /members/hashkv: what is asked and what is answered, as Go's encoding/json writes and reads etcd's structs (etcd
// server/etcdserver/corrupt.go; parity PEERH-06).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/types.h"
#include "mvcc/store.h"

namespace holdfast::peer {

inline constexpr const char* kHashKvPath = "/members/hashkv";

std::string hash_request_json(Revision revision);
std::string hash_answer_json(const mvcc::HashResult& hash);
// Nothing if they can't be read. Members before 3.6 don't say the revision of the hash: it is 0 then.
std::optional<Revision> parse_hash_request(std::string_view json);
std::optional<mvcc::HashResult> parse_hash_answer(std::string_view json);

}  // namespace holdfast::peer
