// A stream of the gateway over a websocket (GW-10; grpc-websocket-proxy): each message of the client is a piece of the
// request's body with a line's end after it, each line of the answer is a message.
#include <utility>

#include "base/errors.h"
#include "fmt/format.h"
#include "rpc/gateway_calls.h"
#include "rpc/gateway_metadata.h"
#include "rpc/websocket.h"

namespace holdfast::rpc {

namespace {

// What answers a handshake that isn't one (gorilla/websocket's upgrader).
void refuse(net::HttpExchange& exchange, net::HttpFields common, int status, std::string_view text) {
  net::HttpFields fields = {{"Content-Type", "text/plain; charset=utf-8"},
                            {"Sec-Websocket-Version", "13"},
                            {"X-Content-Type-Options", "nosniff"}};
  fields.insert(fields.end(), common.begin(), common.end());
  exchange.respond(status, std::move(fields), fmt::format("{}\n", text));
}

// The request that the proxy makes of the handshake: of its fields only where it comes from.
net::HttpRequest proxied(const net::HttpRequest& request) {
  net::HttpRequest out;
  out.method = "POST";
  out.target = request.target;
  for (const char* name : {"origin", "referer"})
    if (const auto value = request.field(name)) out.fields.emplace_back(name, *value);
  return out;
}

// Both sides of one connection. Shared by the exchange's tunnel and the stream's output.
struct Socket {
  net::HttpExchangeRef exchange;
  bool closed = false;

  void send(WsOpcode opcode, std::string_view payload) {
    if (closed) return;
    std::string frame;
    append_ws_frame(frame, opcode, payload);
    exchange->write(std::move(frame));
  }
  void close(uint16_t code) {
    if (std::exchange(closed, true)) return;
    std::string frame;
    append_ws_close(frame, code);
    exchange->write(std::move(frame));
    exchange->end();
  }
};

class WebSocketOut : public GatewayOut {
 public:
  explicit WebSocketOut(std::shared_ptr<Socket> socket) : socket_(std::move(socket)) {}
  void start(net::HttpFields) override {}
  void write(std::string json) override { socket_->send(WsOpcode::text, json); }
  void fail(const absl::Status& status) override {
    write(status_json(status, false));
    end();
  }
  void end_with(const absl::Status& status) override {
    write(fmt::format("{{\"error\":{}}}", status_json(status, true)));
    end();
  }
  void end() override { socket_->close(kWsNormalClosure); }
  size_t outbox_bytes() const override { return socket_->exchange->outbox_bytes(); }
  void on_drained(Task task) override { socket_->exchange->on_drained(std::move(task)); }
  void on_gone(Task gone) override { gone_ = std::move(gone); }
  void pause_input() override { socket_->exchange->pause_body(); }
  void resume_input() override { socket_->exchange->resume_body(); }

  // The client has closed, in one way or the other.
  void client_left() {
    if (Task gone = std::exchange(gone_, {})) gone();
  }

 private:
  const std::shared_ptr<Socket> socket_;
  Task gone_;
};

class Tunnel : public net::HttpBodySink {
 public:
  Tunnel(std::shared_ptr<Socket> socket, size_t max_message_bytes)
      : socket_(std::move(socket)), reader_(max_message_bytes) {}

  // Before the first piece.
  void connect(std::shared_ptr<GatewayStream> stream, WebSocketOut* out) {
    stream_ = std::move(stream);
    out_ = out;
  }

  void on_piece(std::string_view bytes) override {
    while (!socket_->closed) {
      switch (reader_.consume(bytes)) {
        case WsReader::Event::need_more: return;
        case WsReader::Event::message:
          stream_->feed(reader_.payload());
          stream_->feed("\n");
          break;
        case WsReader::Event::ping: socket_->send(WsOpcode::pong, reader_.payload()); break;
        case WsReader::Event::pong: break;
        case WsReader::Event::close: return leave(kWsNormalClosure);
        case WsReader::Event::failed: return leave(reader_.failure());
      }
    }
  }
  void on_end() override {}
  void on_abort() override {}

 private:
  void leave(uint16_t code) {
    // First the stream, or its end would be taken for its own.
    out_->client_left();
    socket_->close(code);
  }

  const std::shared_ptr<Socket> socket_;
  WsReader reader_;
  std::shared_ptr<GatewayStream> stream_;  // keeps `out_`
  WebSocketOut* out_ = nullptr;
};

}  // namespace

void open_websocket(const GatewayTarget& target, net::HttpExchangeRef exchange,
                    net::HttpFields common, Logger& log) {
  const net::HttpRequest& request = exchange->request();
  const auto bad = [&](std::string_view why) {
    log.warn("error upgrading websocket", {{"error", why}, {"remote", exchange->peer().address}});
    refuse(*exchange, std::move(common), 400, "Bad Request");
  };
  if (request.method != "GET") return refuse(*exchange, std::move(common), 405, "Method Not Allowed");
  if (!has_token(request.field("sec-websocket-version").value_or(""), "13"))
    return bad("unsupported version: 13 not found in 'Sec-Websocket-Version' header");
  const auto accept = ws_accept(request.field("sec-websocket-key").value_or(""));
  if (!accept) return bad("'Sec-WebSocket-Key' header must be Base64 encoded value of 16-byte in length");
  net::HttpFields fields = {
      {"Upgrade", "websocket"}, {"Connection", "Upgrade"}, {"Sec-WebSocket-Accept", *accept}};
  if (request.field("sec-websocket-protocol").value_or("").starts_with("Bearer"))
    fields.emplace_back("Sec-WebSocket-Protocol", "Bearer");
  auto socket = std::make_shared<Socket>(Socket{exchange});
  auto tunnel = std::make_unique<Tunnel>(socket, target.max_json_bytes);
  Tunnel& opened = *tunnel;
  if (!exchange->upgrade(std::move(fields), std::move(tunnel)))
    return bad("the connection can't be upgraded");
  if (target.route == nullptr) {
    socket->send(WsOpcode::text, status_json(make_status(absl::StatusCode::kNotFound, "Not Found"), false));
    return socket->close(kWsNormalClosure);
  }
  auto out = std::make_unique<WebSocketOut>(socket);
  WebSocketOut* output = out.get();
  const auto token = websocket_token(request);
  auto stream = open_stream(target, exchange->executor(), proxied(request), exchange->peer(),
                            token ? std::optional<std::string_view>(*token) : std::nullopt,
                            std::move(out));
  exchange->on_cancel([socket, stream, output] {
    socket->closed = true;
    output->client_left();
  });
  if (!socket->closed) opened.connect(std::move(stream), output);
}

}  // namespace holdfast::rpc
