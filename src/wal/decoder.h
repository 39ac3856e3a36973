// Reads a run of segments record by record and judges what it finds: valid, the end, a torn tail, or corruption.
//
// A torn tail (WAL-10) is accepted in the last segment only, where a record fails its checksum and one of the 512-byte
// sectors it covers is all zero, or where it is longer than the file: disks write sectors whole, so a zero sector is one
// that the interrupted write did not reach. Three things that etcd takes for a torn tail, or for the end, are reported as
// corruption here, because no interrupted write produces them and truncating would lose acknowledged entries:
//  - a length field with one bit flipped, found by undoing the flip and finding a valid record;
//  - a zero length in a sector that holds other bytes behind it;
//  - one flipped bit in a record, found by the difference of the checksums.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "env/file_system.h"
#include "wal/record.h"

namespace holdfast::wal {

class Decoder {
 public:
  struct Source {
    std::string path;
    env::File* file = nullptr;  // outlives the decoder
  };
  explicit Decoder(std::vector<Source> sources) : sources_(std::move(sources)) {}

  // True: `record` is valid and checked, its data stays until the next call. False: the end. Errors: Fault::torn_tail,
  // Fault::corrupt, or what reading the file said. Crc records are checked against the running value and returned too.
  absl::StatusOr<bool> next(Record& record);

  uint32_t crc() const { return crc_; }
  // The segment being read, counted from 0.
  size_t segment() const { return current_; }
  // In the segment being read: behind the last valid record.
  uint64_t last_offset() const { return offset_; }
  // "in file '...' at position: ..." of the last record returned; for errors about its content.
  std::string position() const;

 private:
  static constexpr size_t kReadBytes = 256 * 1024;

  absl::Status open_source();
  absl::StatusOr<bool> next_in_source(Record& record);
  absl::StatusOr<std::string_view> bytes_at(uint64_t offset, uint64_t size);
  absl::StatusOr<bool> end_of_source();
  absl::Status check_order(const Record& record);
  absl::Status failed_record(uint64_t field, std::string_view reason);
  absl::StatusOr<bool> flipped_length(uint64_t field);
  bool flipped_bit(std::string_view record) const;
  bool has_zero_sector(std::string_view data) const;
  absl::Status corrupt(std::string_view reason) const;
  absl::Status torn(std::string_view reason) const;
  bool in_last() const { return current_ + 1 == sources_.size(); }

  std::vector<Source> sources_;
  size_t current_ = 0;
  bool opened_ = false;
  uint64_t size_ = 0;           // of the current file
  uint64_t offset_ = 0;         // of the next frame
  uint64_t record_offset_ = 0;  // of the last one returned
  uint64_t records_ = 0;        // read from the current file
  uint32_t crc_ = 0;

  // The bytes of the current file from buffer_offset_ on. Not a string: it would be filled with zeros before each read.
  std::string_view buffer() const { return {buffer_.get(), buffer_size_}; }
  std::unique_ptr<char[]> buffer_;
  size_t buffer_capacity_ = 0;
  size_t buffer_size_ = 0;
  uint64_t buffer_offset_ = 0;
};

}  // namespace holdfast::wal
