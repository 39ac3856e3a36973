#include "net/grpc_call.h"

#include <algorithm>

#include "base/check.h"
#include "base/errors.h"
#include "net/call_pool.h"

namespace holdfast::net {
namespace {

// Posted when the last handle of a call goes away on a foreign thread. If the I/O thread has ended, the task is
// destroyed unrun, and the call with it.
template <class Function, class CallType>
class OnOwnThread {
 public:
  OnOwnThread(CallType* call, Function function, void (*destroy)(CallType*))
      : call_(call), function_(std::move(function)), destroy_(destroy) {}
  OnOwnThread(OnOwnThread&& other) noexcept
      : call_(std::exchange(other.call_, nullptr)),
        function_(other.function_),
        destroy_(other.destroy_) {}
  ~OnOwnThread() {
    if (call_) destroy_(call_);
  }
  void operator()() { function_(std::exchange(call_, nullptr)); }

 private:
  CallType* call_;
  Function function_;
  void (*destroy_)(CallType*);
};

}  // namespace

void HeaderFields::add(std::string_view name, std::string_view value) {
  FieldPosition position;
  position.name = static_cast<uint32_t>(text.size());
  position.name_size = static_cast<uint32_t>(name.size());
  text.append(name);
  position.value = static_cast<uint32_t>(text.size());
  position.value_size = static_cast<uint32_t>(value.size());
  text.append(value);
  fields.push_back(position);
}

std::optional<std::string_view> HeaderFields::find(std::string_view wanted) const {
  for (size_t i = 0; i < fields.size(); ++i)
    if (name(i) == wanted) return value(i);
  return std::nullopt;
}

bool Call::is_reserved(std::string_view key) {
  return key.starts_with(':') || key == "content-type" || key == "grpc-message-type" ||
         key == "grpc-encoding" || key == "grpc-message" || key == "grpc-status" ||
         key == "grpc-timeout" || key == "te";
}

std::optional<std::string_view> Call::metadata(std::string_view key) const {
  if (is_reserved(key) && key != ":authority" && key != "content-type") return std::nullopt;
  return fields_.find(key);
}

bool Call::try_retain() {
  uint32_t count = references_.load(std::memory_order_relaxed);
  while (count != 0)
    if (references_.compare_exchange_weak(count, count + 1, std::memory_order_acq_rel)) return true;
  return false;
}

void Call::on_cancel(Task hook) {
  if (cancelled()) {
    thread_->post(std::move(hook));
  } else if (!done_) {
    cancel_hook_ = std::move(hook);
  }
}

void Call::add_header(std::string_view key, std::string_view value) {
  if (!is_reserved(key)) headers_.push_back({std::string(key), std::string(value)});
}

void Call::add_trailer(std::string_view key, std::string_view value) {
  if (!is_reserved(key)) trailers_.push_back({std::string(key), std::string(value)});
}

void Call::reset_call() {
  cancelled_.store(false, std::memory_order_relaxed);
  done_ = false;
  method_ = nullptr;
  thread_ = nullptr;
  peer_.reset();
  deadline_.reset();
  cancel_reason_ = absl::OkStatus();
  cancel_hook_ = Task();
  fields_.clear();
  headers_.clear();
  trailers_.clear();
  stream_ = nullptr;
}

void UnaryCall::finish(OutMessage message) {
  if (stream_ && !done_) stream_->finish_unary(std::move(message));
}

void UnaryCall::finish(const absl::Status& error) {
  CHECK(!error.ok(), "an OK answer needs a message");
  if (stream_ && !done_) stream_->finish_call(error);
}

// With its last handle a call loses whoever could still answer it.
void UnaryCall::last_reference_gone() {
  auto settle = [](UnaryCall* call) {
    if (call->stream_)
      call->stream_->finish_call(make_status(absl::StatusCode::kInternal, "call dropped"));
    call->recycle();
  };
  if (thread_->running_here()) {
    settle(this);
    return;
  }
  IoThread* thread = thread_;
  thread->post(OnOwnThread(this, settle, +[](UnaryCall* call) { call->recycle(); }));
}

void UnaryCall::recycle() {
  reset_call();
  CallPool<UnaryCall>::give_back(this);
}

void StreamCall::write(OutMessage message) {
  if (stream_ && !done_) stream_->write_message(std::move(message));
}

void StreamCall::send_headers() {
  if (stream_ && !done_) stream_->send_headers();
}

void StreamCall::finish(const absl::Status& status) {
  if (stream_ && !done_) stream_->finish_call(status);
}

void StreamCall::pause() {
  if (stream_ && !done_) stream_->pause();
}

void StreamCall::resume() {
  if (stream_ && !done_) stream_->resume();
}

// The stream itself holds a reference until the call is over, so nothing is left to settle here.
void StreamCall::last_reference_gone() { recycle(); }

void StreamCall::recycle() {
  reset_call();
  outbox_bytes_ = 0;
  CallPool<StreamCall>::give_back(this);
}

void finish_on_own_thread(UnaryCallRef call, OutMessage message) {
  IoThread& thread = call->executor();
  if (thread.running_here()) {
    call->finish(std::move(message));
  } else {
    thread.post([call = std::move(call), m = std::move(message)]() mutable { call->finish(std::move(m)); });
  }
}

void finish_on_own_thread(UnaryCallRef call, absl::Status error) {
  IoThread& thread = call->executor();
  if (thread.running_here()) {
    call->finish(error);
  } else {
    thread.post([call = std::move(call), e = std::move(error)] { call->finish(e); });
  }
}

}  // namespace holdfast::net
