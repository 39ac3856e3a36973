// gRPC's length-prefixed messages: any bytes, cut in any way, give the same messages as when they come at once; texts of
// headers survive being read.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/go_text.h"
#include "net/grpc_wire.h"

namespace {

using holdfast::net::MessageReader;

struct Result {
  std::vector<std::string> messages;
  bool failed = false;
  bool inside = false;
  bool operator==(const Result&) const = default;
};

constexpr size_t kLimit = 4096;

Result read_all(std::string_view bytes, size_t step) {
  MessageReader reader;
  reader.reset(kLimit, "gzip");
  Result result;
  while (!bytes.empty() && !result.failed) {
    std::string_view piece = bytes.substr(0, step);
    bytes.remove_prefix(piece.size());
    while (!piece.empty()) {
      auto event = reader.consume(piece);
      CHECK(reader.buffered_bytes() <= kLimit);
      if (event == MessageReader::Event::message) result.messages.emplace_back(reader.message());
      if (event == MessageReader::Event::failed) {
        result.failed = true;
        break;
      }
    }
  }
  result.inside = !result.failed && reader.inside_message();
  return result;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  CHECK(read_all(bytes, SIZE_MAX) == read_all(bytes, 1 + data[0]));

  std::string encoded = holdfast::net::percent_encode(bytes);
  std::string decoded = holdfast::net::percent_decode(encoded);
  CHECK(holdfast::net::percent_encode(decoded) == encoded);
  CHECK(holdfast::net::decode_base64(holdfast::net::encode_base64(bytes)) == bytes);
  (void)holdfast::net::decode_base64(bytes);
  (void)holdfast::go_quote(bytes);
  (void)holdfast::net::grpc_code(bytes);
  if (auto timeout = holdfast::net::parse_grpc_timeout(bytes); timeout.ok()) {
    CHECK(timeout->count() >= 0);
    auto again = holdfast::net::parse_grpc_timeout(holdfast::net::format_grpc_timeout(*timeout));
    CHECK(again.ok() && (*again >= *timeout || timeout->count() > 99'999'999LL * 3'600'000'000'000LL));
  }
  return 0;
}
