// JSON and websocket input of the gateway: any bytes, cut in any way, give the same as when they come at once; what was
// read is written and read again to the same message.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/check.h"
#include "rpc.pb.h"
#include "rpc/json_mapping.h"
#include "rpc/json_scanner.h"
#include "rpc/websocket.h"

namespace {

using namespace holdfast::rpc;

std::vector<std::string> scan(std::string_view bytes, size_t step) {
  JsonScanner scanner;
  std::vector<std::string> out;
  while (!bytes.empty()) {
    std::string_view piece = bytes.substr(0, step);
    bytes.remove_prefix(piece.size());
    while (!piece.empty()) {
      const auto event = scanner.consume(piece);
      if (event == JsonScanner::Event::value) out.push_back(scanner.value());
      if (event == JsonScanner::Event::failed) {
        out.push_back("!" + scanner.error());
        return out;
      }
    }
  }
  const auto event = scanner.finish();
  if (event == JsonScanner::Event::value) out.push_back(scanner.value());
  if (event == JsonScanner::Event::failed) out.push_back("!" + scanner.error());
  return out;
}

std::vector<std::string> read_frames(std::string_view bytes, size_t step) {
  constexpr size_t kLimit = 4096;
  WsReader reader(kLimit);
  std::vector<std::string> out;
  while (!bytes.empty()) {
    std::string_view piece = bytes.substr(0, step);
    bytes.remove_prefix(piece.size());
    while (true) {
      const auto event = reader.consume(piece);
      CHECK(reader.buffered_bytes() <= kLimit + 125);
      if (event == WsReader::Event::need_more) break;
      out.push_back(std::to_string(static_cast<int>(event)));
      if (event == WsReader::Event::failed) return out;
      out.back() += reader.payload();
    }
  }
  return out;
}

template <class T>
void round_trip(const std::string& json) {
  T message;
  if (from_json(json, message)) return;
  std::string written;
  append_json(written, message, Html::plain);
  T again;
  const auto error = from_json(written, again);
  CHECK(!error, "{}: {}", written, *error);
  CHECK(message.SerializeAsString() == again.SerializeAsString(), "{}", written);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const size_t step = data[0] % 7 + 1;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto values = scan(bytes, bytes.size() + 1);
  CHECK(values == scan(bytes, step));
  for (const std::string& value : values) {
    if (value.starts_with('!')) continue;
    round_trip<etcdserverpb::TxnRequest>(value);
    round_trip<etcdserverpb::WatchRequest>(value);
    round_trip<etcdserverpb::AuthRoleGrantPermissionRequest>(value);
  }
  CHECK(read_frames(bytes, bytes.size() + 1) == read_frames(bytes, step));
  return 0;
}
