// A call that this process makes to a GrpcServer of its own: without a connection and frames, but with the handlers, the
// observer, the limits and the rules of life of any other call. For the JSON gateway, and for services that are clients
// of other services.
//
// Threads: one I/O thread, which is the call's. What the client sends is delivered by posted tasks, never inside send();
// what the service answers comes inside its own write() or finish().
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "net/grpc_call.h"
#include "net/grpc_server.h"

namespace holdfast::net {

// The side that made the call.
class LocalClient {
 public:
  virtual ~LocalClient() = default;
  // One answer. The views are valid during the call only.
  virtual void on_message(std::string_view head, std::string_view tail) = 0;
  // The end, once, also of a call that was refused; not after LocalCall::cancel(). Response headers are complete.
  virtual void on_end(const absl::Status& status) = 0;
  // A stream that would not take more takes messages again.
  virtual void on_accepting() {}
};

class LocalCall final : public CallCarrier, public std::enable_shared_from_this<LocalCall> {
 public:
  struct Request {
    std::string_view path;
    HeaderFields metadata;  // names in lower case; "-bin" values decoded
    std::optional<env::Instant> deadline;
    std::shared_ptr<const PeerInfo> peer;  // shared with the connection it speaks for
  };
  // Whether the call shows in the server's observer. etcd's gateway makes real calls, which are counted; its services'
  // inner calls are not.
  enum class Counted : uint8_t { no, yes };

  // `client` must live until on_end() or cancel(). Begins by a posted task.
  static std::shared_ptr<LocalCall> start(const GrpcServer& server, IoThread& thread,
                                          Request request, LocalClient& client, Counted counted);
  ~LocalCall() = default;

  // A unary or server_stream method takes one message and no half_close().
  void send(std::string message);
  void half_close();
  // Nothing comes back to the client after it. The service sees CANCELLED.
  void cancel();

  // Sent and not yet taken by the service.
  size_t unaccepted_bytes() const { return unaccepted_bytes_; }
  // Where the client has answers that wait to be sent on: the service's StreamCall::outbox_bytes().
  void report_outbox(size_t bytes);
  // Response headers as the service added them so far.
  const std::vector<std::pair<std::string, std::string>>& headers() const { return headers_; }

 private:
  LocalCall(const GrpcServer& server, IoThread& thread, LocalClient& client, Counted counted);

  // CallCarrier
  void finish_unary(OutMessage message) override;
  void finish_call(const absl::Status& status) override;
  void write_message(OutMessage message) override;
  void send_headers() override { take_headers(call()); }
  void pause() override { paused_ = true; }
  void resume() override;

  void begin(std::string path);
  void set_up(Call& call);
  void deliver();
  void deliver_message(std::string message);
  void start_unary(std::string message);
  void end(absl::StatusCode code);
  void abort(const absl::Status& reason);
  void tell_end(const absl::Status& status);
  void take_headers(Call* call);
  GrpcObserver* observer() const {
    return counted_ == Counted::yes ? server_.observer() : nullptr;
  }
  Call* call() const {
    return unary_ != nullptr ? static_cast<Call*>(unary_) : stream_call_.get();
  }
  template <class Run>
  void post(Run run);

  const GrpcServer& server_;
  IoThread& thread_;
  LocalClient* client_;  // null when it wants to hear no more
  const Counted counted_;
  const GrpcServer::Method* method_ = nullptr;
  HeaderFields metadata_;
  std::shared_ptr<const PeerInfo> peer_;  // see Request
  std::optional<env::Instant> deadline_;
  env::TimerId deadline_timer_ = 0;
  env::Instant started_;

  std::deque<std::string> waiting_;
  size_t unaccepted_bytes_ = 0;
  bool was_full_ = false;
  bool half_closed_ = false;
  bool half_close_delivered_ = false;
  bool paused_ = false;
  bool begun_ = false;
  bool over_ = false;

  // As GrpcStream: unary calls are held by their handles alone, stream calls by this too.
  UnaryCall* unary_ = nullptr;
  StreamCallRef stream_call_;
  std::unique_ptr<StreamSession> session_;
  bool above_low_water_ = false;
  std::vector<std::pair<std::string, std::string>> headers_;
  CallSummary summary_{};
  std::shared_ptr<LocalCall> self_;  // until the call is over
};

}  // namespace holdfast::net
