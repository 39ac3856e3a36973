#include "net/local_call.h"

#include <utility>

#include "base/check.h"
#include "base/errors.h"
#include "fmt/format.h"
#include "net/call_pool.h"

namespace holdfast::net {

namespace {
// A client that sends more than the service takes is told to wait from here on (on_accepting says when to go on).
constexpr size_t kUnacceptedHigh = 64 * 1024;
}  // namespace

LocalCall::LocalCall(const GrpcServer& server, IoThread& thread, LocalClient& client,
                     Counted counted)
    : server_(server), thread_(thread), client_(&client), counted_(counted) {}

std::shared_ptr<LocalCall> LocalCall::start(const GrpcServer& server, IoThread& thread,
                                            Request request, LocalClient& client, Counted counted) {
  std::shared_ptr<LocalCall> call(new LocalCall(server, thread, client, counted));
  call->self_ = call;
  call->metadata_ = std::move(request.metadata);
  call->peer_ = std::move(request.peer);
  call->deadline_ = request.deadline;
  call->started_ = thread.now();
  call->post([path = std::string(request.path)](LocalCall& self) { self.begin(path); });
  return call;
}

template <class Run>
void LocalCall::post(Run run) {
  thread_.post([self = shared_from_this(), run = std::move(run)]() mutable { run(*self); });
}

void LocalCall::begin(std::string path) {
  if (over_) return;
  begun_ = true;
  method_ = server_.find(path);
  if (method_ == nullptr) return tell_end(server_.unknown_method(path));
  if (deadline_) {
    if (*deadline_ <= thread_.now())
      return tell_end(make_status(absl::StatusCode::kDeadlineExceeded, "context deadline exceeded"));
    deadline_timer_ = thread_.post_at(*deadline_, [self = shared_from_this()] {
      self->deadline_timer_ = 0;
      self->abort(make_status(absl::StatusCode::kDeadlineExceeded, "context deadline exceeded"));
    });
  }
  if (method_->info.kind != MethodKind::unary) {
    stream_call_ = StreamCallRef(CallPool<StreamCall>::take());
    StreamCallRef handle = stream_call_;
    set_up(*handle);
    auto session = method_->stream(handle);
    if (over_) {
      // Refused: the session, if there is one, is not for use.
      thread_.post([session = std::move(session)] {});
      return;
    }
    CHECK(session != nullptr, "{}: no session and no answer", path);
    session_ = std::move(session);
  }
  deliver();
}

void LocalCall::set_up(Call& call) {
  call.method_ = &method_->info;
  call.thread_ = &thread_;
  call.peer_ = peer_;
  call.deadline_ = deadline_;
  call.started_at_ = started_;
  std::swap(call.fields_, metadata_);
  call.stream_ = this;
  if (auto* o = observer()) o->call_started(method_->info);
}

void LocalCall::send(std::string message) {
  unaccepted_bytes_ += message.size();
  if (unaccepted_bytes_ > kUnacceptedHigh) was_full_ = true;
  waiting_.push_back(std::move(message));
  post([](LocalCall& self) { self.deliver(); });
}

void LocalCall::half_close() {
  half_closed_ = true;
  post([](LocalCall& self) { self.deliver(); });
}

void LocalCall::deliver() {
  if (!begun_) return;
  while (!over_ && !paused_ && !waiting_.empty()) {
    std::string message = std::move(waiting_.front());
    waiting_.pop_front();
    unaccepted_bytes_ -= message.size();
    deliver_message(std::move(message));
  }
  if (over_ || paused_) return;
  if (std::exchange(was_full_, false) && client_ != nullptr) client_->on_accepting();
  if (half_closed_ && waiting_.empty() && session_ && !std::exchange(half_close_delivered_, true))
    session_->on_half_close();
}

void LocalCall::deliver_message(std::string message) {
  const size_t limit = server_.options().max_receive_message_bytes;
  if (message.size() > limit) {
    const absl::Status refused = make_status(
        absl::StatusCode::kResourceExhausted,
        fmt::format("grpc: received message larger than max ({} vs. {})", message.size(), limit));
    return call() != nullptr ? abort(refused) : tell_end(refused);
  }
  if (method_->info.kind == MethodKind::unary) return start_unary(std::move(message));
  ++summary_.messages_received;
  summary_.bytes_received += message.size();
  if (auto* o = observer()) o->message_received(method_->info, message.size());
  session_->on_message(message);
  if (method_->info.kind == MethodKind::server_stream && session_) {
    half_closed_ = true;
  }
}

void LocalCall::start_unary(std::string message) {
  if (unary_ != nullptr) return;  // one message a call
  unary_ = CallPool<UnaryCall>::take();
  unary_->request_ = std::move(message);
  set_up(*unary_);
  summary_.messages_received = 1;
  summary_.bytes_received = unary_->request_.size();
  if (auto* o = observer()) o->message_received(method_->info, unary_->request_.size());
  method_->unary(UnaryCallRef(unary_));
}

void LocalCall::take_headers(Call* call) {
  if (call == nullptr) return;
  for (auto& field : call->headers_)
    headers_.emplace_back(std::move(field.name), std::move(field.value));
  call->headers_.clear();
}

void LocalCall::end(absl::StatusCode code) {
  Call& call = *this->call();
  over_ = true;
  call.done_ = true;
  call.stream_ = nullptr;
  call.cancel_hook_ = Task();
  take_headers(&call);
  thread_.cancel(std::exchange(deadline_timer_, 0));
  if (auto* o = observer()) {
    summary_.code = code;
    summary_.duration = thread_.now() - started_;
    o->call_handled(call, summary_);
  }
  unary_ = nullptr;
  // The session's methods may be on the stack right now, and so may ours.
  thread_.post([self = std::move(self_), session = std::move(session_),
                held = std::exchange(stream_call_, StreamCallRef())] {});
  waiting_.clear();
  unaccepted_bytes_ = 0;
}

// Of a call that never came to be, or that has just ended.
void LocalCall::tell_end(const absl::Status& status) {
  const auto alive = shared_from_this();
  if (!over_) {
    over_ = true;
    thread_.cancel(std::exchange(deadline_timer_, 0));
    thread_.post([self = std::move(self_)] {});
  }
  if (LocalClient* client = std::exchange(client_, nullptr)) client->on_end(status);
}

void LocalCall::finish_unary(OutMessage message) {
  const auto alive = shared_from_this();
  summary_.messages_sent = 1;
  summary_.bytes_sent = message.size();
  if (auto* o = observer()) o->message_sent(method_->info, message.size());
  end(absl::StatusCode::kOk);
  if (client_ != nullptr) client_->on_message(message.head, message.tail.view());
  tell_end(absl::OkStatus());
}

void LocalCall::finish_call(const absl::Status& status) {
  const auto alive = shared_from_this();
  end(status.code());
  tell_end(status);
}

void LocalCall::write_message(OutMessage message) {
  ++summary_.messages_sent;
  summary_.bytes_sent += message.size();
  if (auto* o = observer()) o->message_sent(method_->info, message.size());
  take_headers(call());
  if (client_ != nullptr) client_->on_message(message.head, message.tail.view());
}

void LocalCall::resume() {
  if (!std::exchange(paused_, false)) return;
  post([](LocalCall& self) { self.deliver(); });
}

void LocalCall::report_outbox(size_t bytes) {
  if (over_ || !stream_call_) return;
  stream_call_->outbox_bytes_ = bytes;
  const size_t low_water = server_.options().outbox_low_water_bytes;
  if (bytes > low_water) above_low_water_ = true;
  if (!above_low_water_ || bytes > low_water) return;
  above_low_water_ = false;
  post([](LocalCall& self) {
    if (self.session_) self.session_->on_drained();
  });
}

void LocalCall::abort(const absl::Status& reason) {
  if (over_) return;
  const auto alive = shared_from_this();
  Call* call = this->call();
  if (call == nullptr) return tell_end(reason);
  const bool held = call->try_retain();
  call->cancel_reason_ = reason;
  call->cancelled_.store(true, std::memory_order_release);
  Task hook = std::exchange(call->cancel_hook_, {});
  StreamSession* session = session_.get();
  end(reason.code());
  if (held && hook) hook();
  if (session != nullptr) session->on_cancel(reason);
  if (held) call->release();
  tell_end(reason);
}

void LocalCall::cancel() {
  client_ = nullptr;
  post([](LocalCall& self) {
    self.abort(make_status(absl::StatusCode::kCancelled, "context canceled"));
  });
}

}  // namespace holdfast::net
