// A server's HTTP/2 session and HTTP/1.1 session fed with any bytes, without a network. The first byte chooses the
// protocol and how the rest is cut; HTTP/2's preface is given.
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/check.h"
#include "net/connection.h"
#include "net/http1_session.h"
#include "net/http2_session.h"
#include "test/net/fixture.h"

namespace {

using namespace holdfast;
using namespace holdfast::net;

class StoppedClock final : public env::Clock {
 public:
  env::Instant now() const override { return {1'000'000'000}; }
  int64_t unix_nanoseconds() const override { return 1'700'000'000'000'000'000; }
};

struct Service {
  Service() : grpc({.max_receive_message_bytes = 4096}) {
    grpc.register_unary("/E/U", [](UnaryCallRef call) { call->finish(std::string(call->request())); });
    grpc.register_unary("/E/H", [this](UnaryCallRef call) { hanging.push_back(std::move(call)); });
    grpc.register_stream("/E/B", MethodKind::bidi_stream, [](StreamCallRef call) {
      return std::make_unique<EchoSession>(std::move(call));
    });
    grpc.register_stream("/E/S", MethodKind::server_stream, [](StreamCallRef call) {
      return std::make_unique<EchoSession>(std::move(call));
    });
  }
  GrpcServer grpc;
  EchoHttp http;
  std::vector<UnaryCallRef> hanging;
};

void feed(IoThread& thread, Service& service, uint8_t choice, std::string_view bytes) {
  TrafficCounters counters;
  auto connection = std::make_shared<Connection>(
      Connection::Wiring{.thread = thread, .counters = counters, .on_gone = nullptr},
      boost::asio::ip::tcp::socket(thread.context()));
  HttpOptions options{.max_header_bytes = 4096, .max_body_bytes = 4096};
  std::unique_ptr<Protocol> protocol;
  if (choice & 1) {
    protocol = std::make_unique<Http1Session>(*connection, service.http, options);
  } else {
    auto requests = choice & 2 ? ListenerOptions::Http2Requests::all : ListenerOptions::Http2Requests::grpc_only;
    protocol = std::make_unique<Http2Session>(Http2Session::Wiring{.connection = *connection,
                                                                   .grpc = &service.grpc,
                                                                   .http = &service.http,
                                                                   .http_options = options,
                                                                   .requests = requests});
    protocol->on_input("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  }
  size_t step = (choice >> 2) + 1;
  if (choice >> 2 == 63) step = SIZE_MAX;
  std::string out;
  while (!bytes.empty() && !protocol->finished() && protocol->wants_input()) {
    std::string_view piece = bytes.substr(0, step);
    bytes.remove_prefix(piece.size());
    protocol->on_input(piece);
    out.clear();
    protocol->produce(out, 65536);
  }
  for (auto& call : service.hanging) call->finish("late");
  service.hanging.clear();
  service.http.release_hanging();
  out.clear();
  protocol->produce(out, 65536);
  protocol->on_closed();
  CHECK(counters.calls_open == 0 && counters.request_bytes_held == 0 && counters.response_bytes_held == 0);
  protocol.reset();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  StoppedClock clock;
  IoThread thread(clock, "fuzz");
  Service service;
  thread.post([&] {
    feed(thread, service, data[0], std::string_view(reinterpret_cast<const char*>(data) + 1, size - 1));
    thread.stop();
  });
  thread.run();
  return 0;
}
