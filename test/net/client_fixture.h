// Blocking faces of the clients, and a raw socket, for tests.
#pragma once

#include <arpa/inet.h>
#include <nghttp2/nghttp2.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <future>
#include <string>
#include <string_view>

#include "base/check.h"
#include "net/grpc_client.h"
#include "net/http_client.h"
#include "test/net/fixture.h"

namespace holdfast::net {

struct Answer {
  absl::Status status;
  std::string message;
  std::shared_ptr<ClientCall> call;
};

class BlockingGrpc {
 public:
  explicit BlockingGrpc(uint16_t port, std::optional<TlsClientOptions> tls = std::nullopt)
      : pool_(clock_, 1, "client") {
    pool_.start();
    client_ = std::make_unique<GrpcClient>(
        pool_.at(0), GrpcClientOptions{.port = port, .tls = std::move(tls)});
  }
  ~BlockingGrpc() {
    run([this] { client_.reset(); });
    pool_.stop();
  }
  Answer unary(std::string_view path, std::string request, CallOptions options = {}) {
    std::promise<Answer> promise;
    std::shared_ptr<ClientCall> call;
    pool_.at(0).post([&] {
      call = client_->unary(path, std::move(request), options,
                            [&](const absl::Status& status, std::string_view message) {
                              promise.set_value({status, std::string(message), nullptr});
                            });
    });
    Answer answer = promise.get_future().get();
    run([&] { answer.call = call; });
    return answer;
  }
  // Sends the messages and the half-close; collects what comes back.
  Answer stream(std::string_view path, std::vector<std::string> messages, size_t* received_bytes,
                std::vector<std::string>* received, CallOptions options = {}) {
    struct Events final : ClientCallEvents {
      void on_message(std::string_view m) override {
        if (bytes) *bytes += m.size();
        if (list) list->emplace_back(m);
      }
      void on_finished(const absl::Status& s) override { promise->set_value({s, "", nullptr}); }
      size_t* bytes = nullptr;
      std::vector<std::string>* list = nullptr;
      std::promise<Answer>* promise = nullptr;
    };
    std::promise<Answer> promise;
    pool_.at(0).post([&] {
      auto events = std::make_unique<Events>();
      events->bytes = received_bytes;
      events->list = received;
      events->promise = &promise;
      auto call = client_->start(path, options, std::move(events));
      for (auto& m : messages) call->write(std::move(m));
      call->half_close();
    });
    return promise.get_future().get();
  }
  void run(std::function<void()> f) {
    std::promise<void> done;
    pool_.at(0).post([&] {
      f();
      done.set_value();
    });
    done.get_future().wait();
  }
  IoThread& io() { return pool_.at(0); }
  GrpcClient& client() { return *client_; }

 private:
  SystemClock clock_;
  IoPool pool_;
  std::unique_ptr<GrpcClient> client_;
};

class RawSocket {
 public:
  explicit RawSocket(uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  ~RawSocket() { close(); }
  RawSocket(const RawSocket&) = delete;
  bool connected() const { return connected_; }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  // False when the other side has closed. Gives up when the other side stops reading for five seconds.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (n < 0 && errno == EAGAIN) {
        pollfd p{fd_, POLLOUT, 0};
        if (::poll(&p, 1, 5000) <= 0) return false;
        continue;
      }
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(n));
    }
    return true;
  }
  void half_close() { ::shutdown(fd_, SHUT_WR); }
  // What comes until `text` is in it, the other side closes, or ten seconds are over.
  std::string read_until(std::string_view text) {
    std::string got;
    while (text.empty() || got.find(text) == std::string::npos) {
      pollfd p{fd_, POLLIN, 0};
      if (::poll(&p, 1, 10000) <= 0) return got + "<timeout>";
      char buffer[65536];
      ssize_t n = ::recv(fd_, buffer, sizeof buffer, 0);
      if (n <= 0) return got;
      got.append(buffer, static_cast<size_t>(n));
    }
    return got;
  }
  // One read; empty when the other side has closed or ten seconds are over.
  std::string read_some() {
    pollfd p{fd_, POLLIN, 0};
    if (::poll(&p, 1, 10000) <= 0) return "";
    char buffer[65536];
    ssize_t n = ::recv(fd_, buffer, sizeof buffer, 0);
    return n <= 0 ? "" : std::string(buffer, static_cast<size_t>(n));
  }
  std::string read_all() { return read_until(""); }
  // Takes and drops what has come so far.
  void skim() {
    char buffer[65536];
    while (::recv(fd_, buffer, sizeof buffer, MSG_DONTWAIT) > 0) {
    }
  }

 private:
  int fd_;
  bool connected_ = false;
};

// HTTP/2 frames by hand.
inline constexpr std::string_view kPrefaceText = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
inline std::string h2_frame(uint8_t type, uint8_t flags, uint32_t stream, std::string_view payload) {
  std::string out;
  for (int shift : {16, 8, 0}) out += static_cast<char>(payload.size() >> shift);
  out += static_cast<char>(type);
  out += static_cast<char>(flags);
  for (int shift : {24, 16, 8, 0}) out += static_cast<char>(stream >> shift);
  return out.append(payload);
}
inline std::string h2_settings() { return h2_frame(4, 0, 0, ""); }
inline std::string h2_literal(std::string_view name, std::string_view value) {
  std::string out(1, '\0');
  out += static_cast<char>(name.size());
  out += name;
  CHECK(value.size() < 127);
  out += static_cast<char>(value.size());
  return out.append(value);
}
inline std::string h2_request_block(std::string_view path) {
  return h2_literal(":method", "POST") + h2_literal(":scheme", "http") + h2_literal(":path", path) +
         h2_literal(":authority", "x") + h2_literal("content-type", "application/grpc") +
         h2_literal("te", "trailers");
}
inline std::string h2_headers(uint32_t stream, std::string_view path) {
  return h2_frame(1, 4, stream, h2_request_block(path));
}

// The header fields of the first answer on a connection, as "name: value" lines, read up to its end.
inline std::string h2_answer(RawSocket& socket) {
  nghttp2_hd_inflater* inflater = nullptr;
  nghttp2_hd_inflate_new(&inflater);
  std::string got, fields;
  for (bool done = false; !done;) {
    auto byte = [&](size_t i) { return static_cast<size_t>(static_cast<unsigned char>(got[i])); };
    while (got.size() < 9 || got.size() < 9 + (byte(0) << 16 | byte(1) << 8 | byte(2))) {
      std::string more = socket.read_some();
      if (more.empty()) {
        nghttp2_hd_inflate_del(inflater);
        return fields + "<closed>";
      }
      got += more;
    }
    size_t size = byte(0) << 16 | byte(1) << 8 | byte(2);
    if (byte(3) == 1) {
      const auto* in = reinterpret_cast<const uint8_t*>(got.data()) + 9;
      size_t left = size;
      for (;;) {
        nghttp2_nv nv;
        int flags = 0;
        ssize_t used = nghttp2_hd_inflate_hd2(inflater, &nv, &flags, in, left, 1);
        if (used < 0) break;
        in += used;
        left -= static_cast<size_t>(used);
        if (flags & NGHTTP2_HD_INFLATE_EMIT)
          fields += std::string(reinterpret_cast<char*>(nv.name), nv.namelen) + ": " +
                    std::string(reinterpret_cast<char*>(nv.value), nv.valuelen) + "\n";
        if (flags & NGHTTP2_HD_INFLATE_FINAL) {
          nghttp2_hd_inflate_end_headers(inflater);
          break;
        }
      }
      done = byte(4) & 1;
    }
    got.erase(0, 9 + size);
  }
  nghttp2_hd_inflate_del(inflater);
  return fields;
}

// Waits for a condition that another thread brings about; false after ten seconds.
template <class Condition>
bool eventually(Condition condition) {
  for (int i = 0; i < 10000; ++i) {
    if (condition()) return true;
    ::poll(nullptr, 0, 1);
  }
  return false;
}

}  // namespace holdfast::net
