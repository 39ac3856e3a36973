// One call on the server, as a method's handler sees it.
//
// Threads: a call belongs to the I/O thread of its connection; unless a line says otherwise, its methods are called
// there, i.e. from a task of call->executor(). The *Ref handles are counted pointers and may be carried through any
// thread (inside a Task, say), and the request's bytes may be read wherever a handle is held. To answer from another
// owner: call->executor().post([call = std::move(call), ...] { call->finish(...); }).
//
// A call that the client has cancelled, whose deadline has passed or whose connection is gone stays a valid object while
// handles exist; write() and finish() on it do nothing.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "base/shared_bytes.h"
#include "base/task.h"
#include "env/clock.h"
#include "net/io_thread.h"
#include "net/peer_info.h"

namespace holdfast::net {

enum class MethodKind : uint8_t { unary, server_stream, client_stream, bidi_stream };

struct MethodInfo {
  std::string path;     // "/etcdserverpb.KV/Put"
  std::string service;  // "etcdserverpb.KV"
  std::string name;     // "Put"
  MethodKind kind;
  size_t index;  // 0, 1, ... in order of registration: for an observer's arrays
};

class GrpcStream;
class LocalCall;
struct OutMessage;

// What carries a call: an HTTP/2 stream (GrpcStream), or this process itself (LocalCall). Called by the call's methods.
class CallCarrier {
 public:
  virtual void finish_unary(OutMessage message) = 0;
  virtual void finish_call(const absl::Status& status) = 0;
  virtual void write_message(OutMessage message) = 0;
  virtual void send_headers() = 0;
  virtual void pause() = 0;
  virtual void resume() = 0;

 protected:
  ~CallCarrier() = default;
};

// A header field inside a text that holds many.
struct FieldPosition {
  uint32_t name, name_size, value, value_size;
};
// Fields as they came, in order. Reused from request to request, so that none of them allocates.
struct HeaderFields {
  std::string text;
  std::vector<FieldPosition> fields;

  void clear() {
    text.clear();
    fields.clear();
  }
  void add(std::string_view name, std::string_view value);
  std::string_view name(size_t i) const {
    return std::string_view(text).substr(fields[i].name, fields[i].name_size);
  }
  std::string_view value(size_t i) const {
    return std::string_view(text).substr(fields[i].value, fields[i].value_size);
  }
  std::optional<std::string_view> find(std::string_view name) const;
};

template <class T>
class Ref {
 public:
  Ref() = default;
  explicit Ref(T* object) : object_(object) {
    if (object_) object_->retain();
  }
  Ref(const Ref& other) : Ref(other.object_) {}
  Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Ref& operator=(Ref other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~Ref() {
    if (object_) object_->release();
  }
  T* get() const { return object_; }
  T* operator->() const { return object_; }
  T& operator*() const { return *object_; }
  explicit operator bool() const { return object_ != nullptr; }

 private:
  T* object_ = nullptr;
};

class Call {
 public:
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  // Any thread, while a handle is held:
  const MethodInfo& method() const { return *method_; }
  IoThread& executor() const { return *thread_; }
  const PeerInfo& peer() const { return *peer_; }
  // First value of a request header; `key` in lower case. Values of keys ending in "-bin" are decoded bytes.
  // ":authority" and "user-agent" can be asked for, other names reserved to HTTP/2 and gRPC ("te", "grpc-timeout") can't.
  std::optional<std::string_view> metadata(std::string_view key) const;
  // All request headers except pseudo-headers, as they came, those reserved to gRPC too.
  size_t metadata_count() const { return fields_.fields.size(); }
  std::pair<std::string_view, std::string_view> metadata_at(size_t i) const {
    return {fields_.name(i), fields_.value(i)};
  }
  // From grpc-timeout, counted from the arrival of the headers. The call is cancelled by itself when it passes.
  std::optional<env::Instant> deadline() const { return deadline_; }
  env::Instant started_at() const { return started_at_; }
  bool cancelled() const { return cancelled_.load(std::memory_order_acquire); }

  // Why it was cancelled: CANCELLED "context canceled" or DEADLINE_EXCEEDED "context deadline exceeded"; OK if it wasn't.
  const absl::Status& cancel_reason() const { return cancel_reason_; }
  // Runs once, on the I/O thread, if the call is cancelled before it was finished; at once (as a posted task) if it has
  // been already. Replaces the hook before it. A stream's session has on_cancel() besides.
  void on_cancel(Task hook);
  // True once finish() was called or the call was cancelled.
  bool done() const { return done_; }

  // Response metadata, before the first message / before finish. Keys in lower case; "-bin" values are given raw.
  // Reserved names (":...", "grpc-...", "content-type", "te") are ignored as grpc-go ignores them.
  void add_header(std::string_view key, std::string_view value);
  void add_trailer(std::string_view key, std::string_view value);

 protected:
  friend class GrpcStream;
  friend class LocalCall;
  template <class T>
  friend class Ref;
  struct ExtraField {
    std::string name, value;
  };

  Call() = default;
  virtual ~Call() = default;
  void retain() { references_.fetch_add(1, std::memory_order_relaxed); }
  void release() {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) last_reference_gone();
  }
  // For who holds a call without counting: false when the last handle is gone and the call only waits to be recycled.
  bool try_retain();
  virtual void last_reference_gone() = 0;  // on the thread that dropped it
  void reset_call();
  virtual void recycle() = 0;
  static bool is_reserved(std::string_view key);

  std::atomic<uint32_t> references_{0};
  std::atomic<bool> cancelled_{false};
  bool done_ = false;
  const MethodInfo* method_ = nullptr;
  IoThread* thread_ = nullptr;
  std::shared_ptr<const PeerInfo> peer_;  // shared by the connection's calls, which may outlive it
  std::optional<env::Instant> deadline_;
  env::Instant started_at_;
  absl::Status cancel_reason_;
  Task cancel_hook_;
  HeaderFields fields_;
  std::vector<ExtraField> headers_;
  std::vector<ExtraField> trailers_;
  CallCarrier* stream_ = nullptr;  // null once the carrier let go of the call
};

// A message on its way out: `head` followed by `tail`, together one protobuf message. `tail` is for bytes that many
// streams send (an event encoded once); it is not copied.
struct OutMessage {
  std::string head;
  SharedBytes tail;
  size_t size() const { return head.size() + tail.size(); }
};

class UnaryCall final : public Call {
 public:
  // Any thread, while a handle is held. The message's bytes, without the gRPC prefix.
  std::string_view request() const { return request_; }

  // Answers and ends the call; only the first counts. `message` is sent only with an OK status.
  void finish(std::string message) { finish(OutMessage{std::move(message), {}}); }
  void finish(OutMessage message);
  void finish(const absl::Status& error);

 private:
  friend class GrpcStream;
  friend class LocalCall;
  template <class T>
  friend class CallPool;
  void last_reference_gone() override;
  void recycle() override;

  std::string request_;
};
using UnaryCallRef = Ref<UnaryCall>;

// Any thread: finishes the call on its own thread, at once when that is this one.
void finish_on_own_thread(UnaryCallRef call, OutMessage message);
void finish_on_own_thread(UnaryCallRef call, absl::Status error);

// The method's side of one streaming call: made by the stream handler, called on the I/O thread, destroyed there after
// the call was finished or cancelled (not from inside one of its own methods). It may hold the call's handle.
class StreamSession {
 public:
  virtual ~StreamSession() = default;
  // One request message; the bytes are valid during the call only. For server_stream methods exactly once.
  virtual void on_message(std::string_view message) = 0;
  // The client will send no more messages.
  virtual void on_half_close() = 0;
  // outbox_bytes() has fallen to the low-water mark (GrpcOptions::outbox_low_water_bytes) after having been above it:
  // time to produce more.
  virtual void on_drained() {}
  // Client reset, lost connection, deadline, or server stop; not called after finish().
  virtual void on_cancel(const absl::Status& reason) {}
};

class StreamCall final : public Call {
 public:
  // Queues one message. Nothing stops the caller from writing more than the client reads: watch outbox_bytes().
  void write(std::string message) { write(OutMessage{std::move(message), {}}); }
  void write(OutMessage message);
  // Bytes written by write() that have not yet gone to the socket.
  size_t outbox_bytes() const { return outbox_bytes_; }
  // Sends the response headers now, before any message (grpc-go's SendHeader).
  void send_headers();
  // Ends the call when everything written before has been sent.
  void finish(const absl::Status& status);

  // Stops delivering messages, and thereby, within one stream window, the client's sending. Pause and resume do not
  // nest. resume() delivers what waits from a posted task.
  void pause();
  void resume();

 private:
  friend class GrpcStream;
  friend class LocalCall;
  template <class T>
  friend class CallPool;
  void last_reference_gone() override;
  void recycle() override;

  size_t outbox_bytes_ = 0;
};
using StreamCallRef = Ref<StreamCall>;

}  // namespace holdfast::net
