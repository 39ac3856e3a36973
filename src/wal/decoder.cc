#include "wal/decoder.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "base/check.h"
#include "base/crc32c.h"
#include "base/mutant.h"
#include "base/wire.h"
#include "fmt/format.h"
#include "wal/fault.h"

namespace holdfast::wal {

namespace {

constexpr uint64_t kHeaderRecords = 2;  // the checksum so far, and whose log it is
constexpr uint64_t kSectorBytes = 512;  // what a disk writes whole, at least

// What stands before a record's data at most: type, checksum, tag and size.
constexpr size_t kRecordHeadBytes = 2 + 6 + 1 + 10;

// Beyond this size a random difference of checksums would too often (more than once in 8,000) look like that of one
// flipped bit.
constexpr size_t kMaxFlipSearchBytes = 64 * 1024;

constexpr uint32_t kCastagnoliReflected = 0x82F63B78;

bool all_zero(std::string_view bytes) {
  return bytes.empty() ||
         (bytes[0] == 0 && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

// From the end of the data, the bit (0 = the last one) whose flip changes the checksum by `difference`.
std::optional<size_t> bit_with_difference(uint32_t difference, size_t data_bytes) {
  uint32_t effect = kCastagnoliReflected;
  for (size_t bit = 0; bit < 8 * data_bytes; ++bit) {
    if (effect == difference) return bit;
    effect = (effect >> 1) ^ ((effect & 1) ? kCastagnoliReflected : 0);
  }
  return std::nullopt;
}

bool is_valid(const std::optional<Record>& record, uint32_t crc_before) {
  if (!record) return false;
  return record->type == RecordType::crc ? record->crc == crc_before
                                         : record->crc == crc32c_extend(crc_before, record->data);
}

}  // namespace

absl::Status Decoder::corrupt(std::string_view reason) const {
  return fault_status(Fault::corrupt, fmt::format("{}: in file '{}' at position: {}", reason,
                                                  sources_[current_].path, offset_));
}

// A segment gets its name when its header is on the disk: no interrupted write tears that.
absl::Status Decoder::torn(std::string_view reason) const {
  if (records_ < kHeaderRecords) return corrupt(reason);
  return fault_status(Fault::torn_tail,
                      fmt::format("unexpected EOF: {}: in file '{}' at position: {}", reason,
                                  sources_[current_].path, offset_));
}

std::string Decoder::position() const {
  return fmt::format("in file '{}' at position: {}", sources_[current_].path, record_offset_);
}

absl::Status Decoder::open_source() {
  const absl::StatusOr<uint64_t> size = sources_[current_].file->size();
  if (!size.ok()) return size.status();
  size_ = *size;
  offset_ = 0;
  records_ = 0;
  buffer_size_ = 0;
  buffer_offset_ = 0;
  opened_ = true;
  return absl::OkStatus();
}

absl::StatusOr<bool> Decoder::next(Record& record) {
  for (;;) {
    if (current_ >= sources_.size()) return false;
    if (!opened_) {
      const absl::Status status = open_source();
      if (!status.ok()) return status;
    }
    absl::StatusOr<bool> found = next_in_source(record);
    if (!found.ok() || *found) return found;
    if (records_ < kHeaderRecords) return corrupt("segment without header");
    if (in_last()) return false;
    ++current_;
    opened_ = false;
  }
}

absl::StatusOr<std::string_view> Decoder::bytes_at(uint64_t offset, uint64_t size) {
  size = std::min(size, size_ - std::min(offset, size_));
  if (offset < buffer_offset_ || offset + size > buffer_offset_ + buffer_size_) {
    const size_t wanted = std::min<uint64_t>(std::max<uint64_t>(size, kReadBytes), size_ - offset);
    if (wanted > buffer_capacity_) {
      buffer_ = std::make_unique_for_overwrite<char[]>(wanted);
      buffer_capacity_ = wanted;
    }
    buffer_size_ = 0;
    buffer_offset_ = offset;
    const absl::StatusOr<size_t> n = sources_[current_].file->read_at(offset, buffer_.get(), wanted);
    if (!n.ok()) return n.status();
    buffer_size_ = *n;
  }
  return buffer().substr(offset - buffer_offset_, size);
}

absl::StatusOr<bool> Decoder::next_in_source(Record& record) {
  const uint64_t left = size_ - offset_;
  if (left == 0) return false;
  const absl::StatusOr<std::string_view> head = bytes_at(offset_, kFrameBytes);
  if (!head.ok()) return head.status();
  if (head->size() < kFrameBytes) {
    if (all_zero(*head)) return false;
    return in_last() ? torn("incomplete length") : corrupt("incomplete length");
  }
  const uint64_t field = wire::read_le64(head->data());
  if (field == 0) return end_of_source();
  const std::optional<Frame> frame = decode_frame(field);
  if (!frame) return corrupt("damaged record length");
  const uint64_t payload = frame->record_bytes + frame->pad_bytes;
  if (payload > left - kFrameBytes) {
    return failed_record(field, fmt::format("record of {} bytes in a file of {}",
                                            frame->record_bytes, size_));
  }
  const absl::StatusOr<std::string_view> body = bytes_at(offset_ + kFrameBytes, payload);
  if (!body.ok()) return body.status();
  if (body->size() < payload) return corrupt("file became shorter");
  const std::optional<Record> parsed = parse_record(body->substr(0, frame->record_bytes));
  if (!parsed) return failed_record(field, "malformed record");
  // Crc records are judged below: the first one of all says where the chain begins.
  const uint32_t computed = crc32c_extend(crc_, parsed->data);
  if (parsed->type != RecordType::crc && parsed->crc != computed &&
      !(mutant("wal.torn_tail_accepted") && in_last())) {
    return failed_record(field, fmt::format("walpb: crc mismatch: expected: {:x} computed: {:x}",
                                            parsed->crc, computed));
  }
  const absl::Status order = check_order(*parsed);
  if (!order.ok()) return order;
  if (!all_zero(body->substr(frame->record_bytes))) return corrupt("damaged padding");

  record = *parsed;
  crc_ = parsed->crc;
  record_offset_ = offset_;
  offset_ += kFrameBytes + payload;
  ++records_;
  return true;
}

// A zero length: preallocated space, or what a torn write did not reach. Then nothing of its sector was reached.
absl::StatusOr<bool> Decoder::end_of_source() {
  if (!in_last()) return false;  // the next segment's crc record shows whether something is missing
  const absl::StatusOr<std::string_view> sector =
      bytes_at(offset_, kSectorBytes - offset_ % kSectorBytes);
  if (!sector.ok()) return sector.status();
  if (!all_zero(*sector)) return corrupt("zero record length before other bytes");
  return false;
}

// Every segment begins with the checksum so far, then whose log it is.
absl::Status Decoder::check_order(const Record& record) {
  if ((record.type == RecordType::crc) != (records_ == 0))
    return corrupt("crc record elsewhere than first");
  if ((record.type == RecordType::metadata) != (records_ == 1))
    return corrupt("metadata record elsewhere than second");
  if (record.type == RecordType::crc && current_ != 0 && record.crc != crc_) {
    return corrupt(
        fmt::format("walpb: crc mismatch: expected: {:x} computed: {:x}", record.crc, crc_));
  }
  return absl::OkStatus();
}

// The record at offset_ is not valid: an interrupted write, or damage?
absl::Status Decoder::failed_record(uint64_t field, std::string_view reason) {
  if (!in_last()) return corrupt(reason);
  const absl::StatusOr<bool> flipped = flipped_length(field);
  if (!flipped.ok()) return flipped.status();
  if (*flipped) return corrupt("damaged record length");
  const Frame frame = *decode_frame(field);
  const uint64_t payload = frame.record_bytes + frame.pad_bytes;
  if (payload > size_ - offset_ - kFrameBytes) return torn(reason);
  const absl::StatusOr<std::string_view> body = bytes_at(offset_ + kFrameBytes, payload);
  if (!body.ok()) return body.status();
  if (!has_zero_sector(*body)) return corrupt(reason);
  if (flipped_bit(body->substr(0, frame.record_bytes))) return corrupt(reason);
  return torn(reason);
}

// True if flipping one bit of the length back gives a valid record.
absl::StatusOr<bool> Decoder::flipped_length(uint64_t field) {
  for (int bit = 0; bit < 56; ++bit) {
    const std::optional<Frame> frame = decode_frame(field ^ uint64_t{1} << bit);
    if (!frame || frame->record_bytes == 0 ||
        frame->record_bytes + frame->pad_bytes > size_ - offset_ - kFrameBytes)
      continue;
    const absl::StatusOr<std::string_view> body =
        bytes_at(offset_ + kFrameBytes, frame->record_bytes);
    if (!body.ok()) return body.status();
    if (is_valid(parse_record(*body), crc_)) return true;
  }
  return false;
}

// True if the record is valid but for one bit, and that bit is in a sector that was written.
bool Decoder::flipped_bit(std::string_view bytes) const {
  const auto sector_is_zero = [&](size_t position) {
    const uint64_t start = offset_ + kFrameBytes;
    const uint64_t sector = (start + position) / kSectorBytes * kSectorBytes;
    const size_t from = sector > start ? sector - start : 0;
    return all_zero(bytes.substr(from, sector + kSectorBytes - start - from));
  };
  std::string copy(bytes);
  for (size_t i = 0; i < std::min(copy.size(), kRecordHeadBytes); ++i) {
    if (sector_is_zero(i)) continue;
    for (int bit = 0; bit < 8; ++bit) {
      copy[i] = static_cast<char>(copy[i] ^ (1 << bit));
      if (is_valid(parse_record(copy), crc_)) return true;
      copy[i] = static_cast<char>(copy[i] ^ (1 << bit));
    }
  }
  const std::optional<Record> record = parse_record(bytes);
  if (!record || record->data.empty() || bytes.size() > kMaxFlipSearchBytes) return false;
  const std::optional<size_t> bit = bit_with_difference(
      record->crc ^ crc32c_extend(crc_, record->data), record->data.size());
  return bit && !sector_is_zero(bytes.size() - 1 - *bit / 8);
}

bool Decoder::has_zero_sector(std::string_view data) const {
  uint64_t offset = offset_ + kFrameBytes;
  while (!data.empty()) {
    const size_t chunk = std::min<size_t>(data.size(), kSectorBytes - offset % kSectorBytes);
    if (all_zero(data.substr(0, chunk))) return true;
    data.remove_prefix(chunk);
    offset += chunk;
  }
  return false;
}

}  // namespace holdfast::wal
