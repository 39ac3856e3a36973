#include "rpc/gzip.h"

#include <zlib.h>

#include "base/check.h"

namespace holdfast::rpc {

namespace {

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// "q=0", "q=0.0": refused.
bool is_refused(std::string_view parameters) {
  parameters = trim(parameters);
  if (!parameters.starts_with("q=")) return false;
  return parameters.find_first_not_of("0.", 2) == std::string_view::npos;
}

}  // namespace

bool accepts_gzip(std::string_view accept_encoding) {
  bool any = false;
  while (!accept_encoding.empty()) {
    const size_t comma = accept_encoding.find(',');
    const std::string_view part = accept_encoding.substr(0, comma);
    accept_encoding = comma == std::string_view::npos ? std::string_view() : accept_encoding.substr(comma + 1);
    const size_t semicolon = part.find(';');
    const std::string_view name = trim(part.substr(0, semicolon));
    const bool refused = semicolon != std::string_view::npos && is_refused(part.substr(semicolon + 1));
    if (name == "gzip") return !refused;
    if (name == "*") any = !refused;
  }
  return any;
}

std::string gzip(std::string_view text) {
  // The fastest level: it runs on an I/O thread, and metrics shrink to a tenth by it.
  constexpr int kWindowBitsOfGzip = 15 + 16;
  constexpr int kMemoryLevel = 8;
  z_stream stream{};
  CHECK(deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, kWindowBitsOfGzip, kMemoryLevel, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

}  // namespace holdfast::rpc
