#include "wal/record.h"

#include <cstring>

#include "base/check.h"
#include "base/crc32c.h"
#include "base/errors.h"
#include "base/wire.h"
#include "raft/codec.h"

namespace holdfast::wal {

namespace {

constexpr uint64_t kSizeMask = (uint64_t{1} << 56) - 1;
constexpr uint64_t kPadFlag = 0x80;

constexpr size_t kMaxVarint = 10;
// Tags and numbers of an entry before its payload: type, term, index, payload's tag and size.
constexpr size_t kMaxEntryHead = 2 + 2 * (1 + kMaxVarint) + 1 + kMaxVarint;

absl::Status malformed(std::string_view what) {
  return make_status(absl::StatusCode::kDataLoss, what);
}

char* put_varint(char* out, uint64_t v) {
  while (v >= 0x80) {
    *out++ = static_cast<char>(v | 0x80);
    v >>= 7;
  }
  *out++ = static_cast<char>(v);
  return out;
}

}  // namespace

std::string encode(const Metadata& metadata) {
  std::string out;
  wire::Writer writer(out);
  writer.put_uint64(1, metadata.node_id.value);
  writer.put_uint64(2, metadata.cluster_id.value);
  return out;
}

absl::StatusOr<Metadata> decode_metadata(std::string_view bytes) {
  Metadata metadata;
  wire::Reader reader(bytes);
  wire::Field field;
  while (reader.next(field)) {
    if (field.number == 1) metadata.node_id = MemberId(field.varint);
    if (field.number == 2) metadata.cluster_id = ClusterId(field.varint);
  }
  if (!reader.ok()) return malformed("malformed metadata");
  return metadata;
}

std::string encode(const raft::HardState& state) {
  std::string out;
  wire::Writer writer(out);
  writer.put_uint64(1, state.term.value);
  writer.put_uint64(2, state.vote.value);
  writer.put_uint64(3, state.commit.value);
  return out;
}

std::string encode(const raft::ConfState& conf) {
  std::string out;
  wire::Writer writer(out);
  for (MemberId id : conf.voters) writer.put_uint64(1, id.value);
  for (MemberId id : conf.learners) writer.put_uint64(2, id.value);
  for (MemberId id : conf.voters_outgoing) writer.put_uint64(3, id.value);
  for (MemberId id : conf.learners_next) writer.put_uint64(4, id.value);
  writer.put_bool(5, conf.auto_leave);
  return out;
}

std::string encode(const SnapshotRecord& snapshot) {
  std::string out;
  wire::Writer writer(out);
  writer.put_uint64(1, snapshot.index.value);
  writer.put_uint64(2, snapshot.term.value);
  if (snapshot.conf_state) writer.put_bytes(3, encode(*snapshot.conf_state));
  return out;
}

absl::StatusOr<raft::Entry> decode_entry(std::string_view data) {
  absl::StatusOr<raft::Entry> entry = raft::decode_entry(data);
  if (!entry.ok()) return malformed("malformed entry");
  if (entry->term == Term(0) || entry->index == Index(0))
    return malformed("entry without term or index");
  if (static_cast<uint8_t>(entry->type) > static_cast<uint8_t>(raft::EntryType::conf_change_v2))
    return malformed("entry of unknown type");
  if (entry->type == raft::EntryType::conf_change && entry->data.empty())
    return malformed("configuration change without content");
  // Leaving a joint configuration has no content, so a hard state of term 2 whose type was damaged looks like it, with the
  // vote as term. Member ids are hashes; no log gets near this term.
  if (entry->type == raft::EntryType::conf_change_v2 && entry->data.is_nil() &&
      entry->term.value >> 48 != 0)
    return malformed("entry that is a hard state");
  return entry;
}

absl::StatusOr<raft::HardState> decode_state(std::string_view data) {
  uint64_t values[3] = {};
  uint32_t expected = 1;
  wire::Reader reader(data);
  wire::Field field;
  while (reader.next(field)) {
    if (field.number != expected || expected > 3 || field.type != wire::Type::varint)
      return malformed("malformed hard state");
    values[expected - 1] = field.varint;
    ++expected;
  }
  if (!reader.ok() || expected != 4) return malformed("malformed hard state");
  const raft::HardState state{Term(values[0]), MemberId(values[1]), Index(values[2])};
  if (state.term == Term(0) && !state.empty()) return malformed("hard state without term");
  return state;
}

absl::StatusOr<SnapshotRecord> decode_snapshot(std::string_view data) {
  SnapshotRecord snapshot;
  uint32_t expected = 1;
  wire::Reader reader(data);
  wire::Field field;
  while (reader.next(field)) {
    const wire::Type type = expected == 3 ? wire::Type::bytes : wire::Type::varint;
    if (field.number != expected || expected > 3 || field.type != type)
      return malformed("malformed snapshot record");
    if (expected == 1) snapshot.index = Index(field.varint);
    if (expected == 2) snapshot.term = Term(field.varint);
    if (expected == 3) {
      absl::StatusOr<raft::ConfState> conf = raft::decode_conf_state(field.bytes);
      if (!conf.ok()) return malformed("malformed configuration in snapshot record");
      snapshot.conf_state = *std::move(conf);
    }
    ++expected;
  }
  if (!reader.ok() || expected < 3) return malformed("malformed snapshot record");
  return snapshot;
}

uint64_t encode_frame(uint64_t record_bytes) {
  const uint64_t pad = (8 - record_bytes % 8) % 8;
  return pad == 0 ? record_bytes : record_bytes | (kPadFlag | pad) << 56;
}

std::optional<Frame> decode_frame(uint64_t field) {
  Frame frame;
  frame.record_bytes = field & kSizeMask;
  frame.pad_bytes = (8 - frame.record_bytes % 8) % 8;
  if (encode_frame(frame.record_bytes) != field) return std::nullopt;
  return frame;
}

std::optional<Record> parse_record(std::string_view bytes) {
  Record record;
  wire::Reader reader(bytes);
  wire::Field field;
  if (!reader.next(field) || field.number != 1 || field.type != wire::Type::varint ||
      field.varint < static_cast<uint64_t>(RecordType::metadata) ||
      field.varint > static_cast<uint64_t>(RecordType::snapshot))
    return std::nullopt;
  record.type = static_cast<RecordType>(field.varint);
  if (!reader.next(field) || field.number != 2 || field.type != wire::Type::varint ||
      field.varint > UINT32_MAX)
    return std::nullopt;
  record.crc = static_cast<uint32_t>(field.varint);
  if (reader.next(field)) {
    if (field.number != 3 || field.type != wire::Type::bytes || !reader.rest().empty())
      return std::nullopt;
    if (record.type == RecordType::crc) return std::nullopt;
    record.data = field.bytes;
  }
  if (!reader.ok()) return std::nullopt;
  return record;
}

char* RecordWriter::reserve(size_t bytes) {
  if (size_ + bytes > capacity_) {
    capacity_ = std::max<size_t>(2 * capacity_, std::max<size_t>(size_ + bytes, 64 * 1024));
    auto larger = std::make_unique_for_overwrite<char[]>(capacity_);
    if (size_ != 0) std::memcpy(larger.get(), buffer_.get(), size_);
    buffer_ = std::move(larger);
  }
  return buffer_.get() + size_;
}

// Writes the frame and the record up to the data, for which there is room; crc_ must already cover the data.
char* RecordWriter::begin_record(RecordType type, size_t data_bytes, bool has_data) {
  size_t record_bytes = 2 + 1 + wire::varint_size(crc_);
  if (has_data) record_bytes += 1 + wire::varint_size(data_bytes) + data_bytes;
  char* out = reserve(kFrameBytes + record_bytes + 7);
  const uint64_t frame = encode_frame(record_bytes);
  std::memcpy(out, &frame, sizeof(frame));
  out += kFrameBytes;
  *out++ = 0x08;
  *out++ = static_cast<char>(type);
  *out++ = 0x10;
  out = put_varint(out, crc_);
  if (has_data) {
    *out++ = 0x1a;
    out = put_varint(out, data_bytes);
  }
  return out;
}

void RecordWriter::end_record(char* end) {
  size_t size = static_cast<size_t>(end - buffer_.get());
  while (size % 8 != 0) buffer_[size++] = 0;
  size_ = size;
}

void RecordWriter::put(RecordType type, std::string_view data) {
  crc_ = crc32c_extend(crc_, data);
  char* out = begin_record(type, data.size(), !data.empty());
  if (!data.empty()) std::memcpy(out, data.data(), data.size());
  end_record(out + data.size());
}

void RecordWriter::put_crc() { put(RecordType::crc, {}); }

void RecordWriter::put_entry(const raft::Entry& entry) {
  char head[kMaxEntryHead];
  char* end = head;
  if (raft::has_type(entry)) {
    *end++ = 0x08;
    *end++ = static_cast<char>(entry.type);
  }
  *end++ = 0x10;
  end = put_varint(end, entry.term.value);
  *end++ = 0x18;
  end = put_varint(end, entry.index.value);
  const std::string_view payload = entry.data.view();
  if (!entry.data.is_nil()) {
    *end++ = 0x22;
    end = put_varint(end, payload.size());
  }
  const size_t head_bytes = static_cast<size_t>(end - head);
  crc_ = crc32c_extend(crc32c_extend(crc_, {head, head_bytes}), payload);
  char* out = begin_record(RecordType::entry, head_bytes + payload.size(), true);
  std::memcpy(out, head, head_bytes);
  out += head_bytes;
  if (!payload.empty()) std::memcpy(out, payload.data(), payload.size());
  end_record(out + payload.size());
}

void RecordWriter::clear() {
  // One huge batch must not cost its memory for ever.
  constexpr size_t kKeepBytes = 4 * 1024 * 1024;
  if (capacity_ > kKeepBytes) {
    buffer_.reset();
    capacity_ = 0;
  }
  size_ = 0;
}

}  // namespace holdfast::wal
