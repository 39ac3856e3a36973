#include "net/http2_http_stream.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/text.h"
#include "net/http2_fields.h"
#include "net/http2_session.h"

namespace holdfast::net {
namespace {

// Fields of HTTP/1.1's connections have no place in HTTP/2 (RFC 9113 8.2.2).
bool belongs_to_connection(std::string_view name) {
  return name == "connection" || name == "keep-alive" || name == "transfer-encoding" ||
         name == "upgrade" || name == "proxy-connection";
}

}  // namespace

void Http2HttpStream::on_head(std::string_view method, std::string_view target,
                              const HeaderFields& fields) {
  HttpRequest request;
  request.method = method;
  request.target = target;
  request.version = 20;
  for (size_t i = 0; i < fields.fields.size(); ++i) {
    std::string_view name = fields.name(i);
    request.fields.emplace_back(name == ":authority" ? "host" : name, fields.value(i));
  }
  head_request_ = method == "HEAD";
  request_ = open_exchange(std::move(request), session_.connection_.peer(), session_.thread());
}

void Http2HttpStream::begin_body() {
  if (std::exchange(body_begun_, true)) return;
  sink_ = session_.http_->receive(request_);
  if (sink_) request_ = HttpExchangeRef();
}

void Http2HttpStream::on_data(std::string_view bytes) {
  if (refused_) return;
  begin_body();
  if (paused_ || !waiting_.empty()) {
    waiting_.append(bytes);
    withheld_ += bytes.size();
  } else if (sink_) {
    sink_->on_piece(bytes);
  } else if (request_ && has_exchange()) {
    if (request_body().size() + bytes.size() > session_.http_options_.max_body_bytes) {
      refused_ = true;
      HttpExchangeRef exchange = std::move(request_);
      exchange->respond(413, {{"Content-Type", "text/plain; charset=utf-8"}},
                        "Request Entity Too Large\n");
      return;
    }
    request_body().append(bytes);
  }
}

void Http2HttpStream::on_end() {
  if (refused_) return;
  if (!waiting_.empty() || paused_) {
    end_waiting_ = true;
  } else if (sink_) {
    sink_ended_ = true;
    sink_->on_end();
  } else if (request_) {
    session_.http_->handle(std::move(request_));
  }
}

void Http2HttpStream::resume_body() {
  if (!std::exchange(paused_, false)) return;
  session_.thread().post([weak = std::weak_ptr(self_)] {
    if (auto self = weak.lock()) (*self)->deliver_waiting();
  });
}

void Http2HttpStream::deliver_waiting() {
  if (paused_) return;
  std::string bytes = std::exchange(waiting_, {});
  if (!bytes.empty() && sink_) sink_->on_piece(bytes);
  session_.give_window(id_, bytes.size());
  if (end_waiting_ && !paused_) {
    end_waiting_ = false;
    sink_ended_ = true;
    if (sink_) sink_->on_end();
  }
  session_.flush_soon();
}

void Http2HttpStream::on_closed() {
  self_.reset();
  if (sink_ && !sink_ended_) sink_->on_abort();
  cancel_exchange();
  request_ = HttpExchangeRef();
  sink_.reset();
}

void Http2HttpStream::respond(int status, HttpFields fields, std::string body) {
  if (!find_field(fields, "content-length"))
    fields.emplace_back("content-length", std::to_string(body.size()));
  bool with_body = !body.empty() && !head_request_;
  ended_ = true;
  output_ = std::move(body);
  submit(status, fields, with_body);
  forget_exchange();
}

void Http2HttpStream::start(int status, HttpFields fields) { submit(status, fields, true); }

void Http2HttpStream::submit(int status, const HttpFields& fields, bool with_body) {
  std::vector<nghttp2_nv> list;
  std::vector<std::string> names;
  names.reserve(fields.size());
  std::string code = std::to_string(status);
  list.push_back(copied_field(":status", code));
  for (const auto& [name, value] : fields) {
    names.push_back(ascii_lower(name));
    if (!belongs_to_connection(names.back())) list.push_back(copied_field(names.back(), value));
  }
  nghttp2_data_provider provider;
  provider.source.ptr = this;
  provider.read_callback = [](nghttp2_session*, int32_t, uint8_t* to, size_t max, uint32_t* flags,
                              nghttp2_data_source* source, void*) -> ssize_t {
    return static_cast<Http2HttpStream*>(source->ptr)->produce(to, max, flags);
  };
  nghttp2_submit_response(session_.session_, id_, list.data(), list.size(),
                          with_body ? &provider : nullptr);
  session_.flush_soon();
}

void Http2HttpStream::write(std::string piece) {
  if (head_request_) return;
  if (output_offset_ == output_.size()) {
    output_ = std::move(piece);
    output_offset_ = 0;
  } else {
    if (output_offset_ > kHttpOutboxLowWater) {
      output_.erase(0, output_offset_);
      output_offset_ = 0;
    }
    output_.append(piece);
  }
  report_outbox(output_.size() - output_offset_);
  resume_output();
}

void Http2HttpStream::end() {
  ended_ = true;
  forget_exchange();
  resume_output();
}

void Http2HttpStream::abandon() { session_.reset_stream(id_, NGHTTP2_INTERNAL_ERROR); }

void Http2HttpStream::resume_output() {
  if (std::exchange(output_deferred_, false)) nghttp2_session_resume_data(session_.session_, id_);
  session_.flush_soon();
}

ssize_t Http2HttpStream::produce(uint8_t* to, size_t max, uint32_t* flags) {
  size_t size = std::min(max, output_.size() - output_offset_);
  if (size != 0) memcpy(to, output_.data() + output_offset_, size);
  output_offset_ += size;
  if (output_offset_ == output_.size()) {
    output_.clear();
    output_offset_ = 0;
    if (ended_) *flags |= NGHTTP2_DATA_FLAG_EOF;
  }
  report_outbox(output_.size() - output_offset_);
  if (size == 0 && !ended_) {
    output_deferred_ = true;
    return NGHTTP2_ERR_DEFERRED;
  }
  return static_cast<ssize_t>(size);
}

}  // namespace holdfast::net
