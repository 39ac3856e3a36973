// CRC-32C (Castagnoli), as used by etcd's WAL, .snap files and HashKV. `crc32c_extend(crc, data)` continues a finished
// checksum the way Go's crc32.Update does: crc32c_extend(crc32c_extend(0, a), b) == crc32c_extend(0, a + b).
#pragma once

#include <cstdint>
#include <string_view>

namespace holdfast {

uint32_t crc32c_extend(uint32_t crc, std::string_view data);
inline uint32_t crc32c(std::string_view data) { return crc32c_extend(0, data); }

}  // namespace holdfast
