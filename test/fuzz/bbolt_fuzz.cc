// Any bytes as a bbolt file: no crash, no read beyond the input, no endless walk. The input is also laid over a sound
// file, page by page, since mutation alone would hardly ever hit the meta page's checksum.
#include <cstdint>
#include <string>

#include "backend/revision_key.h"
#include "test/backend/bbolt_fixture.h"

namespace {

using namespace holdfast::backend;

void try_file(std::string_view bytes) {
  auto file = open_bbolt(bytes);
  if (file.ok()) (*file)->check().IgnoreError();
}

std::string sound_file() {
  Contents contents;
  for (int i = 0; i < 300; ++i)
    contents[{"key", std::string(RevisionKeyBytes(RevisionPair{i, 0}))}] = std::string(40, 'v');
  contents[{"auth", "authEnabled"}] = "1";
  return write_bbolt(contents);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::string sound = sound_file();
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  try_file(bytes);
  if (size < 3) return 0;
  // Two bytes say where the rest goes, behind the meta pages.
  std::string damaged = sound;
  const size_t room = damaged.size() - 2 * bbolt::kPageBytes;
  const size_t at = 2 * bbolt::kPageBytes + (data[0] << 8 | data[1]) * 7u % room;
  const std::string_view patch = bytes.substr(2, damaged.size() - at);
  damaged.replace(at, patch.size(), patch);
  try_file(damaged);
  return 0;
}
