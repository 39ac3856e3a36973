#include <algorithm>
#include <utility>

#include "base/errors.h"
#include "net/grpc_client_parts.h"
#include "net/http2_fields.h"

namespace holdfast::net {
namespace {

using absl::StatusCode;

// Header fields of a call besides its metadata, at most; and what a good answer's headers and trailers are.
constexpr size_t kFieldsOfCall = 8;
constexpr size_t kFieldsOfAnswer = 3;
constexpr size_t kFieldBytesOfAnswer = 64;

// What an answer without grpc-status means (grpc/doc/http-grpc-status-mapping.md).
StatusCode code_for_http(std::string_view status) {
  if (status == "400") return StatusCode::kInternal;
  if (status == "401") return StatusCode::kUnauthenticated;
  if (status == "403") return StatusCode::kPermissionDenied;
  if (status == "404") return StatusCode::kUnimplemented;
  if (status == "429" || status == "502" || status == "503" || status == "504")
    return StatusCode::kUnavailable;
  return StatusCode::kUnknown;
}

}  // namespace

bool GrpcClient::Stream::submit(Session& session) {
  std::vector<nghttp2_nv> list;
  list.reserve(kFieldsOfCall + options_.metadata.size());
  list.push_back(fixed_field(":method", "POST"));
  list.push_back(fixed_field(":scheme", core_->options().tls ? "https" : "http"));
  list.push_back(copied_field(":path", path_));
  list.push_back(copied_field(":authority", core_->options().authority));
  list.push_back(fixed_field("content-type", "application/grpc"));
  list.push_back(fixed_field("te", "trailers"));
  list.push_back(fixed_field("user-agent", "holdfast"));
  std::string timeout;
  if (options_.timeout) {
    timeout = format_grpc_timeout(*options_.timeout);
    list.push_back(varying_field("grpc-timeout", timeout));
  }
  for (auto& [name, value] : options_.metadata) {
    if (name.ends_with("-bin")) value = encode_base64(value);
    list.push_back(copied_field(name, value));
  }
  nghttp2_data_provider provider;
  provider.source.ptr = this;
  provider.read_callback = [](nghttp2_session*, int32_t, uint8_t*, size_t max, uint32_t* flags,
                              nghttp2_data_source* source, void*) -> ssize_t {
    return static_cast<Stream*>(source->ptr)->produce(max, flags);
  };
  reader_.reset(core_->options().max_receive_message_bytes, "");
  fields_.fields.reserve(kFieldsOfAnswer);
  fields_.text.reserve(kFieldBytesOfAnswer);
  id = nghttp2_submit_request(session.get(), nullptr, list.data(), list.size(), &provider, this);
  if (id < 0) return false;
  session_ = &session;
  session.flush_soon();
  return true;
}

void GrpcClient::Stream::write(OutMessage message) {
  if (!core_ || half_closed_) return;
  outbox_.push(std::move(message));
  if (outbox_.bytes() > core_->options().outbox_low_water_bytes) above_low_water_ = true;
  resume();
}

void GrpcClient::Stream::half_close() {
  half_closed_ = true;
  resume();
}

void GrpcClient::Stream::resume() {
  if (!session_) return;
  if (std::exchange(deferred_, false)) nghttp2_session_resume_data(session_->get(), id);
  session_->flush_soon();
}

void GrpcClient::Stream::cancel() {
  if (!core_) return;
  core_->thread().post([self = shared_from_this()] {
    self->finish(make_status(StatusCode::kCancelled, "context canceled"));
  });
}

ssize_t GrpcClient::Stream::produce(size_t max, uint32_t* flags) {
  size_t size = std::min(max, outbox_.bytes());
  if (size == outbox_.bytes() && half_closed_) *flags |= NGHTTP2_DATA_FLAG_EOF;
  if (size != 0) {
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    outbox_.announce(size);
  } else if (!half_closed_) {
    deferred_ = true;
    return NGHTTP2_ERR_DEFERRED;
  }
  return static_cast<ssize_t>(size);
}

void GrpcClient::Stream::write_frame(const uint8_t* header, size_t size, std::string& out) {
  out.append(reinterpret_cast<const char*>(header), kFrameHeaderBytes);
  outbox_.take(size, out);
  if (above_low_water_ && outbox_.bytes() <= core_->options().outbox_low_water_bytes) {
    above_low_water_ = false;
    core_->thread().post([self = shared_from_this()] {
      if (self->core_) self->events_->on_drained();
    });
  }
}

void GrpcClient::Stream::on_header(std::string_view name, std::string_view value) {
  header_bytes_ += name.size() + value.size() + 32;
  if (header_bytes_ <= kMaxHeaderListBytes) fields_.add(name, value);
}

void GrpcClient::Stream::on_data(std::string_view bytes) {
  auto keep = shared_from_this();
  while (!bytes.empty() && core_ && read_error_.ok()) {
    switch (reader_.consume(bytes)) {
      case MessageReader::Event::need_more:
        break;
      case MessageReader::Event::message:
        events_->on_message(reader_.message());
        break;
      case MessageReader::Event::failed:
        read_error_ = reader_.error();
        core_->thread().post([keep] { keep->finish(keep->read_error_); });
        break;
    }
  }
}

absl::Status GrpcClient::Stream::final_status(uint32_t error) const {
  if (auto code = fields_.find("grpc-status")) {
    StatusCode c = grpc_code(*code);
    if (c == StatusCode::kOk) return absl::OkStatus();
    return make_status(c, percent_decode(fields_.find("grpc-message").value_or("")));
  }
  if (error == NGHTTP2_REFUSED_STREAM)
    return make_status(StatusCode::kUnavailable, "stream refused by the server");
  if (error == NGHTTP2_CANCEL) return make_status(StatusCode::kCancelled, "stream cancelled by the server");
  auto http = fields_.find(":status");
  if (error == NGHTTP2_NO_ERROR && http && *http != "200")
    return make_status(code_for_http(*http), fmt::format("unexpected HTTP status code received from server: {}", *http));
  return make_status(StatusCode::kInternal,
                     fmt::format("stream terminated by RST_STREAM with error code: {}",
                                 nghttp2_http2_strerror(error)));
}

void GrpcClient::Stream::on_closed(uint32_t error) {
  session_ = nullptr;
  closed_ = true;
  finish(final_status(error));
}

void GrpcClient::Stream::finish(const absl::Status& status) {
  if (!core_) return;
  auto keep = shared_from_this();
  Core& core = *std::exchange(core_, nullptr);
  core.thread().cancel(std::exchange(timer_, 0));
  if (session_) {
    nghttp2_session_set_stream_user_data(session_->get(), id, nullptr);
    nghttp2_submit_rst_stream(session_->get(), NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
    session_->flush_soon();
    session_ = nullptr;
  }
  auto events = std::move(events_);
  // nghttp2 may still hold this as a data source until the reset is sent.
  if (!closed_) core.thread().post([keep] {});
  core.remove(*this);
  events->on_finished(status);
}

}  // namespace holdfast::net
