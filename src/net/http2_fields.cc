#include "net/http2_fields.h"

#include <cstring>

#include "base/errors.h"
#include "net/grpc_wire.h"

namespace holdfast::net {
namespace {

constexpr std::array<std::string_view, 17> kCodeTexts = {"0", "1",  "2",  "3",  "4",  "5",
                                                         "6", "7",  "8",  "9",  "10", "11",
                                                         "12", "13", "14", "15", "16"};

std::string_view code_text(absl::StatusCode code) {
  auto value = static_cast<size_t>(code);
  return value < kCodeTexts.size() ? kCodeTexts[value] : kCodeTexts[2];
}

nghttp2_nv field(std::string_view name, std::string_view value, uint8_t flags) {
  const auto bytes_of = [](std::string_view text) {
    return reinterpret_cast<uint8_t*>(const_cast<char*>(text.data()));
  };
  return {bytes_of(name), bytes_of(value), name.size(), value.size(), flags};
}

// A literal field that enters no compression table (RFC 7541 6.2.2), so that nghttp2 need not know of it.
constexpr std::string_view kOkTrailers("\0\x0b" "grpc-status" "\x01" "0", 15);

}  // namespace

nghttp2_nv copied_field(std::string_view name, std::string_view value) {
  return field(name, value, NGHTTP2_NV_FLAG_NONE);
}

nghttp2_nv fixed_field(std::string_view name, std::string_view value) {
  return field(name, value, NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE);
}

nghttp2_nv varying_field(std::string_view name, std::string_view value) {
  return field(name, value, NGHTTP2_NV_FLAG_NO_INDEX);
}

void FieldList::add(const std::string& name, const std::string& value) {
  if (name.ends_with("-bin")) {
    encoded_.push_back(std::make_unique<std::string>(encode_base64(value)));
    add(varying_field(name, *encoded_.back()));
  } else {
    add(varying_field(name, value));
  }
}

void FieldList::add_status(const absl::Status& status, Message with_message) {
  add(fixed_field("grpc-status", code_text(status.code())));
  if (status.ok() && with_message == Message::unless_ok) return;
  encoded_.push_back(std::make_unique<std::string>(percent_encode(message(status))));
  add(varying_field("grpc-message", *encoded_.back()));
}

void append_ok_trailers(std::string& out, const uint8_t* data_frame_header) {
  char header[kFrameHeaderBytes] = {0, 0, static_cast<char>(kOkTrailers.size()), NGHTTP2_HEADERS,
                                    NGHTTP2_FLAG_END_STREAM | NGHTTP2_FLAG_END_HEADERS};
  std::memcpy(header + 5, data_frame_header + 5, 4);  // the stream's id
  out.append(header, sizeof header);
  out.append(kOkTrailers);
}

}  // namespace holdfast::net
