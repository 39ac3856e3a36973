// The connection's side of one HTTP/2 request: collects its headers, decides what it is, cuts its body into messages,
// and feeds nghttp2 with the answer. Objects are reused for later streams of the same connection.
#pragma once

#include <nghttp2/nghttp2.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "net/grpc_call.h"
#include "net/grpc_outbox.h"
#include "net/grpc_request_head.h"
#include "net/grpc_server.h"
#include "net/grpc_wire.h"

namespace holdfast::net {

class Http2Session;
class Http2HttpStream;

class GrpcStream final : public CallCarrier {
 public:
  explicit GrpcStream(Http2Session& session);
  ~GrpcStream();

  // From the session, in this order.
  void begin(int32_t id);
  void on_header(std::string_view name, std::string_view value) { head_.add(name, value); }
  void on_headers_done();
  void on_data(std::string_view bytes);
  void on_end_of_input();
  // nghttp2 has closed the stream, or the connection is gone. The object may be reused afterwards.
  void on_closed();
  // nghttp2 wants up to `max` bytes of DATA; see nghttp2_data_source_read_callback.
  ssize_t produce(size_t max, uint32_t* flags);
  // The frame announced by produce(): nine bytes of header and `size` of payload go to `out`.
  void write_frame(const uint8_t* frame_header, size_t size, std::string& out);

  // From the calls.
  void finish_unary(OutMessage message) override;
  void finish_call(const absl::Status& status) override;
  void write_message(OutMessage message) override;
  void send_headers() override;
  void pause() override;
  void resume() override;

  // Gives back the memory of a message that will not be completed; after give_up().
  void drop_input();

  int32_t id() const { return id_; }
  size_t index_in_session = 0;
  // Bytes of DATA that count against the stream's window until they were delivered.
  bool holds_window() const { return paused_ || !waiting_.empty(); }

 private:
  friend class Http2Session;
  enum class Answer : uint8_t { none, headers_sent, ended };
  void start_grpc();
  void serve_http();
  void start_stream_call();
  void start_unary_call();
  void set_up_call(Call& call);
  void start_deadline();
  // Ends the request from our side, call or not.
  void give_up(const absl::Status& reason);
  void feed(std::string_view bytes);
  void deliver_message();
  void deliver_end();
  void deliver_waiting();
  // Ends the call from our side: the handler is told, and the client gets `status` if it can still be told.
  enum class Tell : uint8_t { client, nobody };
  void cancel_call(const absl::Status& status, Tell tell);
  void end_call(Call& call, absl::StatusCode code);
  void bury_session();
  void refuse(int http_status, const absl::Status& status);
  void refuse_behind_body(int http_status, const absl::Status& status);
  void refuse_now();
  void end_answer(const absl::Status& status);
  void submit_headers();
  void submit_trailers();
  void push(OutMessage message);
  void resume_output();
  void account();
  // Of a task that comes later: the stream that carries this call still, if one does.
  static GrpcStream* of(const StreamCallRef& call) {
    return static_cast<GrpcStream*>(call->stream_);
  }
  Call* call() { return unary_ ? static_cast<Call*>(unary_) : stream_call_.get(); }

  Http2Session& session_;
  int32_t id_ = 0;
  // Request.
  GrpcRequestHead head_;
  env::Instant arrived_;
  std::optional<env::Instant> deadline_;
  env::TimerId deadline_timer_ = 0;
  const GrpcServer::Method* method_ = nullptr;
  MessageReader reader_;
  std::string waiting_;         // body bytes that arrived while paused; at most a stream window
  std::string single_request_;  // a server_stream method's message, held until the half-close
  bool has_single_request_ = false;
  int refusal_ = 0;             // with this HTTP status and status_, when the body has come
  size_t body_allowance_ = 0;   // how much of it may still come
  bool input_done_ = false;     // what still arrives is dropped
  bool half_closed_ = false;    // by the client
  bool end_delivered_ = false;
  bool paused_ = false;
  // The call: unary calls are held by their handles alone, stream calls by this too.
  UnaryCall* unary_ = nullptr;
  StreamCallRef stream_call_;
  std::unique_ptr<StreamSession> stream_session_;
  std::unique_ptr<Http2HttpStream> http_;
  // Answer.
  Answer answer_ = Answer::none;
  bool output_deferred_ = false;  // nghttp2 waits for resume_output()
  bool finishing_ = false;        // after the outbox come the trailers
  bool above_low_water_ = false;
  GrpcOutbox outbox_;
  bool trailers_behind_data_ = false;  // see append_ok_trailers()
  absl::Status status_;
  std::vector<Call::ExtraField> headers_, trailers_;
  // What this stream has added to the session's counters.
  size_t accounted_incomplete_ = 0, accounted_complete_ = 0, accounted_out_ = 0;
  size_t request_bytes_ = 0;
  CallSummary summary_{};
};

}  // namespace holdfast::net
