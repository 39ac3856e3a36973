// The pages of a bbolt file, as etcd writes it (go.etcd.io/bbolt; parity BKT-08, TRP-58). Numbers are little endian;
// a page of the file is kPageBytes long, or whatever its meta pages say.
//
//   page    | id u64 | flags u16 | count u16 | overflow u32 | ...       `overflow` more pages follow and belong to it
//   meta    | magic u32 | version u32 | page size u32 | flags u32 | root bucket | freelist page u64 | pages u64 |
//           | transaction u64 | FNV-1a of all that u64 |                pages 0 and 1; the newer valid one counts
//   branch  | pos u32 | key size u32 | page u64 | for each child, then the keys
//   leaf    | flags u32 | pos u32 | key size u32 | value size u32 | for each element, then keys and values
//           `pos` counts from the beginning of the element's header to its key; the value follows the key
//   bucket  | root page u64 | sequence u64 |    a leaf value with flag 1; root page 0: an inline leaf page follows
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace holdfast::backend::bbolt {

inline constexpr uint32_t kMagic = 0xED0CDAED;
inline constexpr uint32_t kVersion = 2;
inline constexpr size_t kPageBytes = 4096;
inline constexpr size_t kPageHeaderBytes = 16;
inline constexpr size_t kElementHeaderBytes = 16;
inline constexpr size_t kBucketHeaderBytes = 16;
inline constexpr size_t kMetaBytes = 64;  // behind the page header
inline constexpr uint64_t kNoFreelist = ~uint64_t{0};

enum PageFlags : uint16_t { kBranchPage = 0x01, kLeafPage = 0x02, kMetaPage = 0x04, kFreelistPage = 0x10 };
inline constexpr uint32_t kBucketElement = 0x01;

struct PageHeader {
  uint64_t id = 0;
  uint16_t flags = 0;
  uint16_t count = 0;
  uint32_t overflow = 0;
};

struct Meta {
  uint32_t page_bytes = kPageBytes;
  uint64_t root_page = 0;
  uint64_t root_sequence = 0;
  uint64_t freelist_page = 0;
  uint64_t pages = 0;  // the file's length in pages, at least
  uint64_t transaction = 0;
};

uint16_t load16(const char* at);
uint32_t load32(const char* at);
uint64_t load64(const char* at);
void append16(std::string& out, uint16_t value);
void append32(std::string& out, uint32_t value);
void append64(std::string& out, uint64_t value);

PageHeader decode_header(const char* page);
void append_header(std::string& out, const PageHeader& header);

void append_meta(std::string& out, const Meta& meta);
enum class MetaFault : uint8_t { none, magic, version, checksum };
// `bytes` are the kMetaBytes behind a page header.
MetaFault decode_meta(std::string_view bytes, Meta& meta);

}  // namespace holdfast::backend::bbolt
