#include "rpc/gateway_calls.h"

#include <utility>

#include "base/errors.h"
#include "fmt/format.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "google/protobuf/message.h"
#include "net/local_call.h"
#include "rpc/gateway_metadata.h"
#include "rpc/json_mapping.h"
#include "rpc/json_scanner.h"
#include "rpc/replies.h"

namespace holdfast::rpc {

namespace {

namespace gpb = google::protobuf;

std::unique_ptr<gpb::Message> new_message(const gpb::Descriptor* type) {
  return std::unique_ptr<gpb::Message>(
      gpb::MessageFactory::generated_factory()->GetPrototype(type)->New());
}

absl::Status invalid(std::string_view text) {
  return make_status(absl::StatusCode::kInvalidArgument, text);
}

// A request message's bytes from its JSON.
absl::StatusOr<std::string> to_wire_bytes(const Gateway::Route& route, std::string_view json) {
  auto message = new_message(route.method->input_type());
  if (auto error = from_json(json, *message)) return invalid(*error);
  return message->SerializeAsString();
}

// A whole body: its first JSON value, what follows it is not looked at; an empty body is an empty message.
absl::StatusOr<std::string> body_to_wire(const Gateway::Route& route, std::string_view body) {
  JsonScanner scanner;
  JsonScanner::Event event = scanner.consume(body);
  if (event == JsonScanner::Event::need_more) event = scanner.finish();
  if (event == JsonScanner::Event::need_more) return std::string();
  if (event == JsonScanner::Event::failed) return invalid(scanner.error());
  return to_wire_bytes(route, scanner.value());
}

absl::StatusOr<std::string> to_json(const Gateway::Route& route, std::string_view head,
                                    std::string_view tail, Html html) {
  auto message = new_message(route.method->output_type());
  // An answer is at most one transaction deep and comes from ourselves.
  std::string joined;
  if (!tail.empty()) {
    joined.reserve(head.size() + tail.size());
    joined.append(head).append(tail);
    head = joined;
  }
  if (!parse(head, *message)) return make_status(absl::StatusCode::kInternal, "malformed answer");
  std::string out;
  append_json(out, *message, html);
  return out;
}

absl::StatusOr<net::LocalCall::Request> local_request(const Gateway::Route& route,
                                                      net::IoThread& thread,
                                                      const net::HttpRequest& request,
                                                      const net::PeerInfo& peer,
                                                      std::optional<std::string_view> authorization) {
  auto metadata = gateway_metadata(request, peer.address, authorization);
  if (!metadata.ok()) return metadata.status();
  net::LocalCall::Request call;
  call.path = route.grpc_path;
  call.metadata = std::move(metadata->fields);
  if (metadata->timeout) call.deadline = thread.now() + *metadata->timeout;
  auto caller = std::make_shared<net::PeerInfo>(peer);  // shared with the call alone
  // The gateway speaks for itself: a client's certificate does not pass through it (GW-12, TRP-31).
  caller->certificate_verified = false;
  caller->common_name.clear();
  call.peer = std::move(caller);
  return call;
}

net::HttpFields answer_fields(const net::LocalCall& call) {
  net::HttpFields fields = {{"Content-Type", "application/json"},
                            {"Grpc-Metadata-Content-Type", "application/grpc"}};
  for (const auto& [name, value] : call.headers())
    fields.emplace_back("Grpc-Metadata-" + name, value);
  return fields;
}

void fail_exchange(net::HttpExchange& exchange, net::HttpFields common, const absl::Status& status) {
  net::HttpFields fields = {{"Content-Type", "application/json"}};
  if (status.code() == absl::StatusCode::kUnauthenticated)
    fields.emplace_back("WWW-Authenticate", std::string(message(status)));
  fields.insert(fields.end(), common.begin(), common.end());
  exchange.respond(http_status(status.code()), std::move(fields), status_json(status, false));
}

// --- unary ---

// Owns itself until on_end() or the client's leaving.
class UnaryExchange : public net::LocalClient {
 public:
  UnaryExchange(const Gateway::Route& route, net::HttpExchangeRef exchange, net::HttpFields common)
      : route_(route), exchange_(std::move(exchange)), common_(std::move(common)) {}

  static void start(std::unique_ptr<UnaryExchange> self, const net::GrpcServer& server,
                    net::LocalCall::Request request, std::string message) {
    UnaryExchange& e = *self;
    e.call_ = net::LocalCall::start(server, e.exchange_->executor(), std::move(request), e,
                                    net::LocalCall::Counted::yes);
    e.call_->send(std::move(message));
    e.self_ = std::move(self);
    e.exchange_->on_cancel([&e] {
      e.call_->cancel();
      e.let_go();
    });
  }

  void on_message(std::string_view head, std::string_view tail) override {
    auto json = to_json(route_, head, tail, Html::plain);
    if (!json.ok()) return fail_exchange(*exchange_, common_, json.status());
    net::HttpFields fields = answer_fields(*call_);
    fields.insert(fields.end(), common_.begin(), common_.end());
    exchange_->respond(200, std::move(fields), *std::move(json));
  }
  void on_end(const absl::Status& status) override {
    if (!status.ok()) fail_exchange(*exchange_, common_, status);
    let_go();
  }

 private:
  // Our own methods are on the stack.
  void let_go() {
    net::IoThread& thread = exchange_->executor();
    thread.post([self = std::move(self_)] {});
  }

  const Gateway::Route& route_;
  const net::HttpExchangeRef exchange_;
  const net::HttpFields common_;
  std::shared_ptr<net::LocalCall> call_;  // shared with its own tasks
  std::unique_ptr<UnaryExchange> self_;
};

// --- streams ---

class HttpOut : public GatewayOut {
 public:
  HttpOut(net::HttpExchangeRef exchange, net::HttpFields common)
      : exchange_(std::move(exchange)), common_(std::move(common)) {}

  void start(net::HttpFields fields) override {
    fields.insert(fields.end(), common_.begin(), common_.end());
    exchange_->start(200, std::move(fields));
    started_ = true;
  }
  void write(std::string json) override {
    json += '\n';
    exchange_->write(std::move(json));
  }
  void fail(const absl::Status& status) override { fail_exchange(*exchange_, common_, status); }
  void end_with(const absl::Status& status) override {
    std::string line = fmt::format("{{\"error\":{}}}\n", status_json(status, true));
    if (started_) {
      exchange_->write(std::move(line));
      exchange_->end();
      return;
    }
    net::HttpFields fields = {{"Content-Type", "application/json"}};
    fields.insert(fields.end(), common_.begin(), common_.end());
    exchange_->respond(http_status(status.code()), std::move(fields), std::move(line));
  }
  void end() override {
    if (started_) return exchange_->end();
    exchange_->respond(200, common_, {});
  }
  size_t outbox_bytes() const override { return exchange_->outbox_bytes(); }
  void on_drained(Task task) override { exchange_->on_drained(std::move(task)); }
  void on_gone(Task gone) override { exchange_->on_cancel(std::move(gone)); }
  void pause_input() override { exchange_->pause_body(); }
  void resume_input() override { exchange_->resume_body(); }

 private:
  const net::HttpExchangeRef exchange_;
  const net::HttpFields common_;
  bool started_ = false;
};

class Stream : public GatewayStream,
               public net::LocalClient,
               public std::enable_shared_from_this<Stream> {
 public:
  Stream(const GatewayTarget& target, std::unique_ptr<GatewayOut> out)
      : route_(*target.route), max_json_bytes_(target.max_json_bytes), out_(std::move(out)) {}

  void start(const net::GrpcServer& server, net::IoThread& thread,
             absl::StatusOr<net::LocalCall::Request> request) {
    if (!request.ok()) {
      input_over_ = over_ = true;
      return out_->fail(request.status());
    }
    self_ = shared_from_this();
    call_ = net::LocalCall::start(server, thread, *std::move(request), *this,
                                  net::LocalCall::Counted::yes);
    thread_ = &thread;
    out_->on_drained([this] { call_->report_outbox(out_->outbox_bytes()); });
    out_->on_gone([this] {
      call_->cancel();
      let_go();
    });
  }

  // --- the client's ---

  void feed(std::string_view bytes) override {
    while (!input_over_) {
      switch (scanner_.consume(bytes)) {
        case JsonScanner::Event::need_more:
          if (scanner_.buffered_bytes() > max_json_bytes_) refuse_input("message too large");
          return wait_if_full();
        case JsonScanner::Event::failed:
          return refuse_input(scanner_.error());
        case JsonScanner::Event::value:
          take_value();
      }
    }
  }
  void end_of_input() override {
    if (input_over_) return;
    const JsonScanner::Event event = scanner_.finish();
    if (event == JsonScanner::Event::failed) return refuse_input(scanner_.error());
    if (event == JsonScanner::Event::value) take_value();
    if (input_over_) return;
    // A method with one request gets an empty one, as from an empty body.
    if (route_.kind != net::MethodKind::bidi_stream) call_->send({});
    end_input();
  }

  // --- the method's ---

  void on_message(std::string_view head, std::string_view tail) override {
    auto json = to_json(route_, head, tail, Html::escaped);
    if (!json.ok()) {
      call_->cancel();
      return on_end(json.status());
    }
    start_answer();
    out_->write(fmt::format("{{\"result\":{}}}", *json));
    call_->report_outbox(out_->outbox_bytes());
  }
  void on_end(const absl::Status& status) override {
    if (std::exchange(over_, true)) return;
    if (status.ok()) {
      out_->end();
    } else {
      out_->end_with(status);
    }
    let_go();
  }
  void on_accepting() override {
    if (std::exchange(input_paused_, false)) out_->resume_input();
  }

 private:
  void take_value() {
    auto bytes = to_wire_bytes(route_, scanner_.value());
    if (!bytes.ok()) return refuse_input(message(bytes.status()));
    call_->send(*std::move(bytes));
    if (route_.kind != net::MethodKind::bidi_stream) end_input();
  }
  // grpc-gateway: what can't be read ends the requests of a stream without a word, the answers go on; a method with one
  // request is refused.
  void refuse_input(std::string_view why) {
    if (route_.kind == net::MethodKind::bidi_stream) return end_input();
    input_over_ = over_ = true;
    call_->cancel();
    out_->fail(invalid(why));
    let_go();
  }
  void end_input() {
    input_over_ = true;
    call_->half_close();
  }
  void wait_if_full() {
    constexpr size_t kUnacceptedMax = 64 * 1024;  // LocalCall says on_accepting() from there on
    if (input_over_ || input_paused_ || call_->unaccepted_bytes() <= kUnacceptedMax) return;
    input_paused_ = true;
    out_->pause_input();
  }
  void start_answer() {
    if (!std::exchange(started_, true)) out_->start(answer_fields(*call_));
  }
  void let_go() {
    input_over_ = over_ = true;
    if (self_) thread_->post([self = std::move(self_)] {});
  }

  const Gateway::Route& route_;
  const size_t max_json_bytes_;
  const std::unique_ptr<GatewayOut> out_;
  net::IoThread* thread_ = nullptr;
  std::shared_ptr<net::LocalCall> call_;  // shared with its own tasks
  JsonScanner scanner_;
  bool started_ = false;
  bool input_over_ = false;
  bool input_paused_ = false;
  bool over_ = false;
  std::shared_ptr<Stream> self_;  // while the call lasts
};

class StreamSink : public net::HttpBodySink {
 public:
  explicit StreamSink(std::shared_ptr<GatewayStream> stream) : stream_(std::move(stream)) {}
  void on_piece(std::string_view piece) override { stream_->feed(piece); }
  void on_end() override { stream_->end_of_input(); }
  void on_abort() override {}  // the exchange is cancelled besides
  bool is_unhurried() const override { return true; }

 private:
  const std::shared_ptr<GatewayStream> stream_;  // see open_stream()
};

}  // namespace

std::unique_ptr<GatewayOut> make_http_out(net::HttpExchangeRef exchange, net::HttpFields common) {
  return std::make_unique<HttpOut>(std::move(exchange), std::move(common));
}

void call_unary(const GatewayTarget& target, net::HttpExchangeRef exchange, net::HttpFields common) {
  const Gateway::Route& route = *target.route;
  net::HttpExchange& e = *exchange;
  auto message = body_to_wire(route, e.request().body);
  if (!message.ok()) return fail_exchange(e, std::move(common), message.status());
  auto request = local_request(route, e.executor(), e.request(), e.peer(), {});
  if (!request.ok()) return fail_exchange(e, std::move(common), request.status());
  UnaryExchange::start(
      std::make_unique<UnaryExchange>(route, std::move(exchange), std::move(common)), target.server,
      *std::move(request), *std::move(message));
}

std::shared_ptr<GatewayStream> open_stream(const GatewayTarget& target, net::IoThread& thread,
                                           const net::HttpRequest& request,
                                           const net::PeerInfo& peer,
                                           std::optional<std::string_view> authorization,
                                           std::unique_ptr<GatewayOut> out) {
  auto stream = std::make_shared<Stream>(target, std::move(out));
  stream->start(target.server, thread,
                local_request(*target.route, thread, request, peer, authorization));
  return stream;
}

std::unique_ptr<net::HttpBodySink> receive_stream(const GatewayTarget& target,
                                                  const net::HttpExchangeRef& exchange,
                                                  net::HttpFields common) {
  return std::make_unique<StreamSink>(open_stream(target, exchange->executor(), exchange->request(),
                                                  exchange->peer(), {},
                                                  make_http_out(exchange, std::move(common))));
}

}  // namespace holdfast::rpc
