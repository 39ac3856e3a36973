#include "backend/bbolt_format.h"

#include <bit>
#include <cstring>

namespace holdfast::backend::bbolt {
namespace {

static_assert(std::endian::native == std::endian::little);

template <class T>
T load(const char* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

template <class T>
void append(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

uint64_t fnv1a(std::string_view bytes) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

constexpr size_t kChecksummedBytes = kMetaBytes - sizeof(uint64_t);

}  // namespace

uint16_t load16(const char* at) { return load<uint16_t>(at); }
uint32_t load32(const char* at) { return load<uint32_t>(at); }
uint64_t load64(const char* at) { return load<uint64_t>(at); }
void append16(std::string& out, uint16_t value) { append(out, value); }
void append32(std::string& out, uint32_t value) { append(out, value); }
void append64(std::string& out, uint64_t value) { append(out, value); }

PageHeader decode_header(const char* page) {
  return {load64(page), load16(page + 8), load16(page + 10), load32(page + 12)};
}

void append_header(std::string& out, const PageHeader& header) {
  append64(out, header.id);
  append16(out, header.flags);
  append16(out, header.count);
  append32(out, header.overflow);
}

void append_meta(std::string& out, const Meta& meta) {
  const size_t begin = out.size();
  append32(out, kMagic);
  append32(out, kVersion);
  append32(out, meta.page_bytes);
  append32(out, 0);
  append64(out, meta.root_page);
  append64(out, meta.root_sequence);
  append64(out, meta.freelist_page);
  append64(out, meta.pages);
  append64(out, meta.transaction);
  append64(out, fnv1a(std::string_view(out).substr(begin)));
}

MetaFault decode_meta(std::string_view bytes, Meta& meta) {
  const char* at = bytes.data();
  if (load32(at) != kMagic) return MetaFault::magic;
  if (load32(at + 4) != kVersion) return MetaFault::version;
  if (load64(at + kChecksummedBytes) != fnv1a(bytes.substr(0, kChecksummedBytes)))
    return MetaFault::checksum;
  meta = {.page_bytes = load32(at + 8),
          .root_page = load64(at + 16),
          .root_sequence = load64(at + 24),
          .freelist_page = load64(at + 32),
          .pages = load64(at + 40),
          .transaction = load64(at + 48)};
  return MetaFault::none;
}

}  // namespace holdfast::backend::bbolt
