// A peer's streams, in pieces: any bytes are refused or understood, however they are cut, and nothing is held beyond a
// frame.
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "peer/codec.h"

using namespace holdfast;  // NOLINT(google-build-using-namespace)

namespace {

template <class Decoder>
void cut(Decoder whole, Decoder pieces, std::string_view bytes, size_t piece) {
  std::vector<raft::Message> at_once, bit_by_bit;
  const bool understood = whole.feed(bytes, at_once).ok();
  bool still = true;
  for (size_t at = 0; still && at < bytes.size(); at += piece)
    still = pieces.feed(bytes.substr(at, piece), bit_by_bit).ok();
  CHECK(understood == still);
  CHECK(at_once == bit_by_bit);
  CHECK(whole.held_bytes() <= bytes.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const size_t piece = 1 + data[0] % 32;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  cut(peer::MessageDecoder(), peer::MessageDecoder(), bytes, piece);
  cut(peer::MsgAppDecoder(MemberId(1), MemberId(2)), peer::MsgAppDecoder(MemberId(1), MemberId(2)), bytes, piece);
  return 0;
}
