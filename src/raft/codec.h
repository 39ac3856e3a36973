// The raftpb wire format (proto2; raft v3.7.0 raftpb/raft.proto), as it stands in the WAL, in
// snapshot files, in log entries and between members.
//
// Writing: fields in ascending order of number; zero values are left out, except where every etcd
// writes them: all of HardState, the metadata of a snapshot, auto_leave, and type and node of a
// conf change (RAL-01). Reading: absent and zero are alike; unknown fields are skipped; a later
// field replaces an earlier one; so what 3.4 to 3.7 write is understood. Malformed input is an
// error and never read beyond its end, and what a message makes us allocate is bounded by a small
// multiple of its size.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "raft/message.h"
#include "raft/types.h"

namespace holdfast::raft {

// Whether the type stands in the encoding.
inline bool has_type(const Entry& entry) { return entry.type != EntryType::normal || entry.type_stands; }

// Bytes that encode() appends.
size_t encoded_size(const Entry& entry);
uint64_t encoded_size(const Entries& entries);  // the sum, without the framing in a message
uint64_t payload_size(const Entries& entries);
// The longest prefix within max_size bytes of encoding, but at least one entry.
Entries limit_size(const Entries& entries, uint64_t max_size);

// Append to `out`.
void encode(const Entry& entry, std::string& out);
void encode(const HardState& state, std::string& out);
void encode(const ConfState& state, std::string& out);
void encode(const Snapshot& snapshot, std::string& out);
void encode(const ConfChange& change, std::string& out);
void encode(const ConfChangeV2& change, std::string& out);
void encode(const Message& message, std::string& out);

template <class T>
std::string encoded(const T& value) {
  std::string out;
  encode(value, out);
  return out;
}

// Errors: InvalidArgument. Payloads are copied out of `bytes`.
absl::StatusOr<Entry> decode_entry(std::string_view bytes);
absl::StatusOr<HardState> decode_hard_state(std::string_view bytes);
absl::StatusOr<ConfState> decode_conf_state(std::string_view bytes);
absl::StatusOr<Snapshot> decode_snapshot(std::string_view bytes);
absl::StatusOr<ConfChange> decode_conf_change(std::string_view bytes);
absl::StatusOr<ConfChangeV2> decode_conf_change_v2(std::string_view bytes);
absl::StatusOr<Message> decode_message(std::string_view bytes);

// The change that a conf_change or conf_change_v2 entry carries.
absl::StatusOr<ConfChangeV2> conf_change_of(const Entry& entry);

// Proposals of changes. A null change (leave the joint configuration) has no payload and is never
// refused for its size.
Entry conf_change_entry(const ConfChange& change);
Entry conf_change_entry(const ConfChangeV2& change);
Entry leave_joint_entry();

}  // namespace holdfast::raft
