// Header fields as nghttp2 wants them, and what is written around it.
#pragma once

#include <nghttp2/nghttp2.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace holdfast::net {

// Of a frame (RFC 9113 4.1).
inline constexpr size_t kFrameHeaderBytes = 9;

// nghttp2 copies both.
nghttp2_nv copied_field(std::string_view name, std::string_view value);
// For texts that live as long as the program.
nghttp2_nv fixed_field(std::string_view name, std::string_view value);
// Values that differ from call to call would only push useful ones out of the compression table. Not copied: both must
// live until nghttp2 has been given the list.
nghttp2_nv varying_field(std::string_view name, std::string_view value);

// The fields of one HEADERS frame of an answer. Further ones than kMax are dropped.
class FieldList {
 public:
  void add(nghttp2_nv field) {
    if (size_ < fields_.size()) fields_[size_++] = field;
  }
  // A handler's own; "-bin" fields are encoded here.
  void add(const std::string& name, const std::string& value);
  // grpc-status, and grpc-message unless the status is OK and `with_message` doesn't ask for it.
  enum class Message : uint8_t { always, unless_ok };
  void add_status(const absl::Status& status, Message with_message);
  const nghttp2_nv* data() const { return fields_.data(); }
  size_t size() const { return size_; }

 private:
  static constexpr size_t kMax = 32;
  std::array<nghttp2_nv, kMax> fields_;
  size_t size_ = 0;
  std::vector<std::unique_ptr<std::string>> encoded_;
};

// The HEADERS frame with the trailers of nearly every answer, "grpc-status: 0", for the stream of `data_frame_header`
// (nine bytes), behind whose last DATA frame it is written without nghttp2: a third frame through nghttp2 would cost an
// answer a tenth of all its work.
void append_ok_trailers(std::string& out, const uint8_t* data_frame_header);

}  // namespace holdfast::net
