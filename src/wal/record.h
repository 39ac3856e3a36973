// What stands in etcd's write-ahead log, byte by byte (WAL-03..WAL-08; etcd server/storage/wal, walpb/record.proto).
//
//   segment  = frame* zero*                      all frames start on a multiple of 8
//   frame    = length:8 (little endian) record pad
//              length: bits 0..55 size of record; bits 56..63: 0, or 0x80 | bytes of pad (0 to 7)
//   record   = 08 type  10 crc  [1a size data]   proto2 walpb.Record
//   crc      = CRC-32C over the data of this and all earlier records of the log, so a record vouches for all before it.
//              A crc record has no data; it opens each segment and carries the value on.
//
// The payloads of state and snapshot records are written with their zero fields, as etcd 3.4 to 3.7 do; entries leave
// out type 0, as 3.7 does.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/types.h"
#include "raft/types.h"

namespace holdfast::wal {

enum class RecordType : uint8_t { metadata = 1, entry = 2, state = 3, crc = 4, snapshot = 5 };

// A snapshot that exists (walpb.Snapshot). etcd writes the configuration since 3.5.
struct SnapshotRecord {
  Index index;
  Term term;
  std::optional<raft::ConfState> conf_state;

  bool operator==(const SnapshotRecord&) const = default;
};

// Whose log this is (etcdserverpb.Metadata, WAL-07).
struct Metadata {
  MemberId node_id;
  ClusterId cluster_id;

  bool operator==(const Metadata&) const = default;
};

std::string encode(const Metadata& metadata);
absl::StatusOr<Metadata> decode_metadata(std::string_view bytes);

std::string encode(const raft::HardState& state);
std::string encode(const raft::ConfState& conf);
std::string encode(const SnapshotRecord& snapshot);

// Decoders for record payloads. Stricter than protobuf, because a record's type is not covered by its checksum: an entry
// whose type byte was damaged must not pass as a hard state, and so on. Errors: DataLoss with a short reason.
absl::StatusOr<raft::Entry> decode_entry(std::string_view data);
absl::StatusOr<raft::HardState> decode_state(std::string_view data);
absl::StatusOr<SnapshotRecord> decode_snapshot(std::string_view data);

constexpr uint64_t kFrameBytes = 8;  // the length field

struct Frame {
  uint64_t record_bytes = 0;
  uint64_t pad_bytes = 0;
};
uint64_t encode_frame(uint64_t record_bytes);
// Nullopt when no writer produces this length field: it is damaged.
std::optional<Frame> decode_frame(uint64_t field);

struct Record {
  RecordType type = RecordType::crc;
  uint32_t crc = 0;
  std::string_view data;  // points into the input
};
// Nullopt for anything but the form above with a known type.
std::optional<Record> parse_record(std::string_view bytes);

// Appends frames to a buffer it owns and keeps the running checksum.
class RecordWriter {
 public:
  explicit RecordWriter(uint32_t crc = 0) : crc_(crc) {}

  void put(RecordType type, std::string_view data);
  void put_entry(const raft::Entry& entry);  // as put(entry, encoded), without the copy between
  void put_crc();                            // the record that opens a segment

  uint32_t crc() const { return crc_; }
  std::string_view buffered() const { return {buffer_.get(), size_}; }
  void clear();

 private:
  char* reserve(size_t bytes);
  char* begin_record(RecordType type, size_t data_bytes, bool has_data);
  void end_record(char* end);

  uint32_t crc_;
  std::unique_ptr<char[]> buffer_;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

}  // namespace holdfast::wal
