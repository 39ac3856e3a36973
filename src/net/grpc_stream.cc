#include "net/grpc_stream.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/errors.h"
#include "fmt/format.h"
#include "net/call_pool.h"
#include "net/http2_fields.h"
#include "net/http2_http_stream.h"
#include "net/http2_session.h"

namespace holdfast::net {
namespace {

using absl::StatusCode;

// Memory of a paused stream's body that is kept.
constexpr size_t kWaitingKept = 4096;
constexpr size_t kFrameFlagsAt = 4;
// Of a body that nobody wants: enough for what somebody tries by hand.
constexpr size_t kRefusedBodyMax = 64 * 1024;
constexpr env::Duration kRefusedBodyPatience = std::chrono::seconds(1);

absl::Status status(StatusCode code, std::string_view text) { return make_status(code, text); }

}  // namespace

GrpcStream::GrpcStream(Http2Session& session) : session_(session) {}
GrpcStream::~GrpcStream() = default;

void GrpcStream::begin(int32_t id) {
  id_ = id;
  head_.begin(session_.grpc_options().max_header_list_bytes);
  deadline_.reset();
  method_ = nullptr;
  waiting_.clear();
  single_request_.clear();
  refusal_ = 0;
  has_single_request_ = input_done_ = half_closed_ = end_delivered_ = paused_ = false;
  answer_ = Answer::none;
  output_deferred_ = finishing_ = above_low_water_ = false;
  trailers_behind_data_ = false;
  status_ = absl::OkStatus();
  headers_.clear();
  trailers_.clear();
  request_bytes_ = 0;
  summary_ = {};
}

void GrpcStream::on_headers_done() {
  arrived_ = session_.thread().now();
  if (head_.too_long()) {
    input_done_ = true;
    session_.reset_stream(id_, NGHTTP2_FRAME_SIZE_ERROR);  // as grpc-go
    return;
  }
  const bool grpc = head_.grpc() && session_.grpc_ != nullptr;
  const bool http = session_.http_ && session_.requests_ == ListenerOptions::Http2Requests::all;
  if (!grpc && http) return serve_http();
  const GrpcRequestHead::Judgement judgement = head_.judge(session_.grpc_, arrived_);
  method_ = judgement.method;
  deadline_ = judgement.deadline;
  if (judgement.status.ok()) return start_grpc();
  if (judgement.http_status == 200) return refuse(200, judgement.status);
  if (http) return serve_http();  // refuse_malformed_grpc()
  refuse_behind_body(judgement.http_status, judgement.status);
}

// Such a client isn't a gRPC client, and may be one (curl 7) that loses an answer which comes while it still sends. So its
// body is let come first, up to a bound and for a time.
void GrpcStream::refuse_behind_body(int http_status, const absl::Status& status) {
  status_ = status;
  refusal_ = http_status;
  body_allowance_ = kRefusedBodyMax;
  deadline_timer_ = session_.thread().post_after(kRefusedBodyPatience, [this] {
    deadline_timer_ = 0;
    refuse_now();
  });
}

void GrpcStream::refuse_now() {
  if (const int http_status = std::exchange(refusal_, 0)) refuse(http_status, status_);
}

void GrpcStream::serve_http() {
  http_ = std::make_unique<Http2HttpStream>(session_, id_);
  http_->on_head(head_.method(), head_.path(), head_.fields());
}

void GrpcStream::start_grpc() {
  reader_.reset(session_.grpc_options().max_receive_message_bytes, head_.encoding());
  if (deadline_) start_deadline();
  if (method_->info.kind != MethodKind::unary) start_stream_call();
}

void GrpcStream::start_deadline() {
  deadline_timer_ = session_.thread().post_at(*deadline_, [this] {
    deadline_timer_ = 0;
    give_up(status(StatusCode::kDeadlineExceeded, "context deadline exceeded"));
  });
}

void GrpcStream::drop_input() {
  reader_.reset(0, {});
  account();
}

void GrpcStream::give_up(const absl::Status& reason) {
  if (call()) {
    cancel_call(reason, Tell::client);
  } else if (!finishing_) {
    end_answer(reason);
  }
}

void GrpcStream::set_up_call(Call& call) {
  call.method_ = &method_->info;
  call.thread_ = &session_.thread();
  call.peer_ = session_.connection_.peer();
  call.deadline_ = deadline_;
  call.started_at_ = arrived_;
  std::swap(call.fields_, head_.fields());
  call.stream_ = this;
  if (auto* observer = session_.grpc_->observer()) observer->call_started(method_->info);
}

void GrpcStream::start_stream_call() {
  stream_call_ = StreamCallRef(CallPool<StreamCall>::take());
  StreamCallRef handle = stream_call_;
  set_up_call(*handle);
  auto session = method_->stream(handle);
  if (handle->done()) {
    if (session) session_.graveyard_.push_back(std::move(session));
    return;
  }
  CHECK(session != nullptr, "{}: no session and no answer", method_->info.path);
  stream_session_ = std::move(session);
}

void GrpcStream::start_unary_call() {
  unary_ = CallPool<UnaryCall>::take();
  reader_.take_message(unary_->request_);
  request_bytes_ = unary_->request_.size();
  input_done_ = true;
  set_up_call(*unary_);
  summary_.messages_received = 1;
  summary_.bytes_received = request_bytes_;
  if (auto* observer = session_.grpc_->observer())
    observer->message_received(method_->info, request_bytes_);
  account();
  method_->unary(UnaryCallRef(unary_));
}

void GrpcStream::on_data(std::string_view bytes) {
  if (http_) {
    http_->on_data(bytes);
  } else if (refusal_ != 0) {
    body_allowance_ -= std::min(body_allowance_, bytes.size());
    if (body_allowance_ == 0) refuse_now();
  } else if (input_done_ || method_ == nullptr) {
    return;
  } else if (holds_window()) {
    waiting_.append(bytes);
    account();
  } else {
    feed(bytes);
    account();
  }
}

void GrpcStream::feed(std::string_view bytes) {
  while (!bytes.empty() && !input_done_ && !paused_) {
    switch (reader_.consume(bytes)) {
      case MessageReader::Event::need_more:
        break;
      case MessageReader::Event::message:
        deliver_message();
        break;
      case MessageReader::Event::failed:
        give_up(reader_.error());
        return;
    }
  }
  if (paused_ && !input_done_) waiting_.append(bytes);
}

void GrpcStream::deliver_message() {
  if (method_->info.kind == MethodKind::unary) {
    start_unary_call();
    return;
  }
  if (method_->info.kind == MethodKind::server_stream) {
    // grpc-go hands the request over when it knows that no second one follows.
    if (has_single_request_) {
      input_done_ = true;
      cancel_call(status(StatusCode::kInternal,
                         "cardinality violation: received multiple request messages for "
                         "non-client-streaming RPC"),
                  Tell::client);
      return;
    }
    has_single_request_ = true;
    reader_.take_message(single_request_);
    return;
  }
  std::string_view message = reader_.message();
  ++summary_.messages_received;
  summary_.bytes_received += message.size();
  if (auto* observer = session_.grpc_->observer())
    observer->message_received(method_->info, message.size());
  stream_session_->on_message(message);
}

void GrpcStream::on_end_of_input() {
  half_closed_ = true;
  if (http_) {
    http_->on_end();
  } else if (refusal_ != 0) {
    refuse_now();
  } else if (!input_done_ && method_ != nullptr && !holds_window()) {
    deliver_end();
    account();
  }
}

void GrpcStream::deliver_end() {
  if (std::exchange(end_delivered_, true)) return;
  bool cut = reader_.inside_message();
  if (method_->info.kind == MethodKind::unary) {
    input_done_ = true;
    end_answer(status(StatusCode::kUnknown, cut ? "unexpected EOF" : "EOF"));
    return;
  }
  bool missing = method_->info.kind == MethodKind::server_stream && !has_single_request_;
  if (cut || missing) {
    input_done_ = true;
    cancel_call(status(StatusCode::kInternal,
                       cut ? "unexpected EOF"
                           : "cardinality violation: received no request message from "
                             "non-client-streaming RPC"),
                Tell::client);
    return;
  }
  if (method_->info.kind == MethodKind::server_stream) {
    std::string request = std::move(single_request_);
    ++summary_.messages_received;
    summary_.bytes_received += request.size();
    if (auto* observer = session_.grpc_->observer())
      observer->message_received(method_->info, request.size());
    stream_session_->on_message(request);
  }
  if (stream_session_) stream_session_->on_half_close();
}

void GrpcStream::pause() { paused_ = true; }

void GrpcStream::resume() {
  if (!std::exchange(paused_, false)) return;
  session_.thread().post([call = stream_call_] {
    if (GrpcStream* stream = of(call)) stream->deliver_waiting();
  });
}

void GrpcStream::deliver_waiting() {
  if (paused_) return;
  std::string bytes = std::exchange(waiting_, {});
  size_t size = bytes.size();
  feed(bytes);
  session_.give_window(id_, size - waiting_.size());
  if (half_closed_ && !input_done_ && !holds_window()) deliver_end();
  account();
  session_.flush_soon();
}

void GrpcStream::on_closed() {
  if (http_) {
    http_->on_closed();
    http_.reset();
  }
  if (call()) cancel_call(status(StatusCode::kCancelled, "context canceled"), Tell::nobody);
  session_.thread().cancel(std::exchange(deadline_timer_, 0));
  input_done_ = true;
  outbox_.close();
  if (waiting_.capacity() > kWaitingKept) waiting_ = {};
  waiting_.clear();
  single_request_ = {};
  request_bytes_ = 0;
  reader_.reset(0, {});
  account();
}

void GrpcStream::cancel_call(const absl::Status& reason, Tell tell) {
  if (unary_ != nullptr) {
    UnaryCall* call = unary_;
    bool held = call->try_retain();
    call->cancel_reason_ = reason;
    call->cancelled_.store(true, std::memory_order_release);
    Task hook = std::exchange(call->cancel_hook_, {});
    end_call(*call, reason.code());
    if (held && hook) hook();
    if (held) call->release();
  } else {
    StreamCallRef call = stream_call_;
    call->cancel_reason_ = reason;
    call->cancelled_.store(true, std::memory_order_release);
    Task hook = std::exchange(call->cancel_hook_, {});
    StreamSession* session = stream_session_.get();
    end_call(*call, reason.code());
    if (hook) hook();
    if (session) session->on_cancel(reason);
  }
  if (tell == Tell::client) end_answer(reason);
}

// The handler is done with the call, or the call with the handler.
void GrpcStream::end_call(Call& call, absl::StatusCode code) {
  call.done_ = true;
  call.stream_ = nullptr;
  call.cancel_hook_ = Task();
  headers_.swap(call.headers_);
  trailers_.swap(call.trailers_);
  session_.thread().cancel(std::exchange(deadline_timer_, 0));
  input_done_ = true;
  if (auto* observer = session_.grpc_->observer()) {
    summary_.code = code;
    summary_.duration = session_.thread().now() - arrived_;
    observer->call_handled(call, summary_);
  }
  bury_session();
  unary_ = nullptr;
  stream_call_ = StreamCallRef();
}

// Its methods may be on the stack right now.
void GrpcStream::bury_session() {
  if (stream_session_) session_.graveyard_.push_back(std::move(stream_session_));
}

void GrpcStream::finish_unary(OutMessage message) {
  size_t size = message.size();
  size_t limit = session_.grpc_options().max_send_message_bytes;
  if (size > limit) {
    finish_call(status(
        StatusCode::kResourceExhausted,
        fmt::format("grpc: trying to send message larger than max ({} vs. {})", size, limit)));
    return;
  }
  summary_.messages_sent = 1;
  summary_.bytes_sent = size;
  if (auto* observer = session_.grpc_->observer()) observer->message_sent(method_->info, size);
  end_call(*unary_, StatusCode::kOk);
  push(std::move(message));
  finishing_ = true;
  submit_headers();
  account();
}

void GrpcStream::finish_call(const absl::Status& status) {
  end_call(*call(), status.code());
  finishing_ = true;
  status_ = status;
  if (answer_ == Answer::none && outbox_.bytes() == 0 && headers_.empty()) {
    refuse(200, status);
  } else if (answer_ == Answer::none) {
    submit_headers();
  } else {
    resume_output();
  }
  account();
}

// The answer ends now, whatever was still to be sent.
void GrpcStream::end_answer(const absl::Status& status) {
  input_done_ = true;
  outbox_.drop();
  if (answer_ == Answer::none) {
    refuse(200, status);
    return;
  }
  if (answer_ == Answer::ended) return;
  finishing_ = true;
  status_ = status;
  if (nghttp2_session_get_stream_remote_window_size(session_.session_, id_) <= 0) {
    session_.reset_stream(id_, NGHTTP2_CANCEL);  // trailers wait behind DATA, which waits for window
  } else {
    resume_output();
  }
}

void GrpcStream::write_message(OutMessage message) {
  size_t size = message.size();
  ++summary_.messages_sent;
  summary_.bytes_sent += size;
  if (auto* observer = session_.grpc_->observer()) observer->message_sent(method_->info, size);
  push(std::move(message));
  if (answer_ == Answer::none) {
    send_headers();
  } else {
    resume_output();
  }
  account();
}

void GrpcStream::send_headers() {
  if (answer_ != Answer::none) return;
  headers_.swap(stream_call_->headers_);
  submit_headers();
}

void GrpcStream::push(OutMessage message) {
  outbox_.push(std::move(message));
  if (stream_call_) stream_call_->outbox_bytes_ = outbox_.bytes();
  if (outbox_.bytes() > session_.grpc_options().outbox_low_water_bytes) above_low_water_ = true;
}

void GrpcStream::resume_output() {
  session_.flush_soon();
  if (std::exchange(output_deferred_, false)) nghttp2_session_resume_data(session_.session_, id_);
}

void GrpcStream::submit_headers() {
  FieldList fields;
  fields.add(fixed_field(":status", "200"));
  if (head_.content_type().starts_with("application/grpc+")) {
    fields.add(varying_field("content-type", head_.content_type()));
  } else {
    fields.add(fixed_field("content-type", "application/grpc"));
  }
  for (const auto& field : headers_) fields.add(field.name, field.value);
  nghttp2_data_provider provider;
  provider.source.ptr = this;
  provider.read_callback = [](nghttp2_session*, int32_t, uint8_t*, size_t max, uint32_t* flags,
                              nghttp2_data_source* source, void*) -> ssize_t {
    return static_cast<GrpcStream*>(source->ptr)->produce(max, flags);
  };
  answer_ = Answer::headers_sent;
  nghttp2_submit_response(session_.session_, id_, fields.data(), fields.size(), &provider);
  session_.flush_soon();
}

// An answer of one HEADERS frame ("trailers-only").
void GrpcStream::refuse(int http_status, const absl::Status& status) {
  FieldList fields;
  std::string text = http_status == 200 ? std::string() : std::to_string(http_status);
  fields.add(http_status == 200 ? fixed_field(":status", "200") : varying_field(":status", text));
  fields.add(fixed_field("content-type", "application/grpc"));
  fields.add_status(status, FieldList::Message::always);
  for (const auto& field : trailers_) fields.add(field.name, field.value);
  answer_ = Answer::ended;
  input_done_ = finishing_ = true;
  session_.thread().cancel(std::exchange(deadline_timer_, 0));
  nghttp2_submit_response(session_.session_, id_, fields.data(), fields.size(), nullptr);
  session_.flush_soon();
}

void GrpcStream::submit_trailers() {
  FieldList fields;
  fields.add_status(status_, FieldList::Message::unless_ok);
  for (const auto& field : trailers_) fields.add(field.name, field.value);
  answer_ = Answer::ended;
  nghttp2_submit_trailer(session_.session_, id_, fields.data(), fields.size());
}

ssize_t GrpcStream::produce(size_t max, uint32_t* flags) {
  size_t size = std::min(max, outbox_.bytes());
  if (size == outbox_.bytes() && finishing_) {
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (size != 0 && status_.ok() && trailers_.empty()) {
      trailers_behind_data_ = true;
      answer_ = Answer::ended;
    } else {
      *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
      submit_trailers();
    }
  }
  if (size != 0) {
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    outbox_.announce(size);
  } else if (!finishing_) {
    output_deferred_ = true;
    return NGHTTP2_ERR_DEFERRED;
  }
  return static_cast<ssize_t>(size);
}

void GrpcStream::write_frame(const uint8_t* frame_header, size_t size, std::string& out) {
  const size_t frame_begin = out.size();
  out.append(reinterpret_cast<const char*>(frame_header), kFrameHeaderBytes);
  if (trailers_behind_data_)
    out[frame_begin + kFrameFlagsAt] &= static_cast<char>(~NGHTTP2_FLAG_END_STREAM);
  outbox_.take(size, out);
  if (trailers_behind_data_) append_ok_trailers(out, frame_header);
  account();
  if (!stream_call_) return;
  stream_call_->outbox_bytes_ = outbox_.bytes();
  if (above_low_water_ && outbox_.bytes() <= session_.grpc_options().outbox_low_water_bytes) {
    above_low_water_ = false;
    // Posted: the session may write or finish, and nghttp2 is in the middle of sending.
    session_.thread().post([call = stream_call_] {
      GrpcStream* stream = of(call);
      if (stream && stream->stream_session_) stream->stream_session_->on_drained();
    });
  }
}

void GrpcStream::account() {
  size_t incomplete = reader_.buffered_bytes();
  size_t complete = waiting_.size() + single_request_.size() + request_bytes_;
  session_.incomplete_bytes_ += incomplete - accounted_incomplete_;
  session_.complete_bytes_ += complete - accounted_complete_;
  session_.outgoing_bytes_ += outbox_.bytes() - accounted_out_;
  accounted_incomplete_ = incomplete;
  accounted_complete_ = complete;
  accounted_out_ = outbox_.bytes();
}

}  // namespace holdfast::net
