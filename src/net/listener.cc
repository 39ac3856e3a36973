#include "net/listener.h"

#include <sys/resource.h>
#include <sys/un.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/socket_base.hpp>
#include <cstring>
#include <future>
#include <mutex>
#include <utility>

#include "absl/strings/ascii.h"
#include "base/check.h"
#include "base/errors.h"
#include "fmt/format.h"
#include "net/connection.h"
#include "net/http1_session.h"
#include "net/http2_session.h"
#include "net/tls.h"

namespace holdfast::net {
namespace {

using boost::asio::ip::tcp;
using StreamProtocol = boost::asio::generic::stream_protocol;
using Acceptor = boost::asio::basic_socket_acceptor<StreamProtocol>;
using boost::system::error_code;

// What a client using HTTP/2 says first (RFC 9113 3.4).
constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
// Accepted in one go before the other events of that loop get their turn.
constexpr int kAcceptsPerEvent = 64;
// Out of files: how long until the next try.
constexpr env::Duration kAcceptPause = std::chrono::milliseconds(50);

size_t file_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return 1 << 20;
  auto files = static_cast<size_t>(limit.rlim_cur);
  return files > kReservedFiles ? files - kReservedFiles : 1;
}

// Runs a task when the last of several parties has let go of it.
class WhenAllGone {
 public:
  explicit WhenAllGone(Task task) : task_(std::move(task)) {}
  ~WhenAllGone() {
    if (task_) task_();
  }

 private:
  Task task_;
};

}  // namespace

// Everything a listener shares with its connections. Each I/O thread has its own list, touched on that thread alone.
class Listener::Core : public std::enable_shared_from_this<Listener::Core> {
 public:
  Core(IoPool& pool, ListenerOptions options, Logger& log, const GrpcServer* grpc,
       HttpHandler* http)
      : pool_(pool), options_(std::move(options)), log_(log), grpc_(grpc), http_(http),
        shards_(pool.size()), acceptor_(pool.at(0).context()) {}

  absl::Status prepare();
  absl::Status start();
  void answer_with(const GrpcServer* grpc, HttpHandler* http) {
    grpc_ = grpc;
    http_ = http;
  }
  uint16_t port() const { return port_; }
  void drain(env::Duration patience, Task done);
  void close_all(Task done);
  ListenerStats stats() const;
  // After close_all(): lets go of what is left because the I/O threads had ended.
  void drop_connections() {
    for (Shard& shard : shards_) shard.connections.clear();
  }

 private:
  class Sniffer;
  struct Shard {
    std::vector<std::shared_ptr<Connection>> connections;
  };
  enum class State : uint8_t { open, draining, closed };

  absl::Status bind();
  uint16_t bound_port() const;
  void accept_soon();
  void accept();
  void pause_accepting(const error_code& error);
  void serve(size_t thread_index, StreamSocket socket);
  void log_refusal(const TlsRefusal& refusal);
  void remove(size_t thread_index, Connection& connection);
  std::unique_ptr<Protocol> protocol_for(Connection& connection, std::string_view first_bytes);
  void close_acceptor();
  void check_drained();
  void on_every_thread(std::function<void(Shard&)> act, std::shared_ptr<WhenAllGone> after);

  IoPool& pool_;
  const ListenerOptions options_;
  Logger& log_;
  const GrpcServer* grpc_;
  HttpHandler* http_;
  std::shared_ptr<TlsContext> tls_;  // shared with connections
  size_t max_connections_ = 0;
  bool bound_ = false;
  uint16_t port_ = 0;
  mutable TrafficCounters counters_;
  std::vector<Shard> shards_;
  std::atomic<State> state_{State::open};
  // On thread 0:
  Acceptor acceptor_;
  bool accepting_ = false;
  env::TimerId pause_timer_ = 0;
  env::TimerId patience_timer_ = 0;
  Task drained_;
};

// Reads the first bytes of a connection and puts the right protocol in its own place.
class Listener::Core::Sniffer final : public Protocol {
 public:
  Sniffer(Core& core, Connection& connection) : core_(core), connection_(connection) {
    timer_ = connection_.thread().post_after(core_.options_.http.read_header_timeout, [this] {
      timer_ = 0;
      connection_.count_refused();
      connection_.close_now();
    });
  }

  void on_input(std::string_view bytes) override {
    if (closing_) return;
    seen_.append(bytes);
    std::string_view begin = std::string_view(seen_).substr(0, kPreface.size());
    if (begin.size() < kPreface.size() && kPreface.starts_with(begin)) return;
    auto next = core_.protocol_for(connection_, begin);
    connection_.thread().cancel(std::exchange(timer_, 0));
    if (next) {
      connection_.replace_protocol(std::move(next), std::move(seen_));
    } else {
      connection_.count_refused();
      closing_ = true;
    }
  }
  bool produce(std::string&, size_t) override { return false; }
  bool finished() const override { return closing_; }
  void drain() override { closing_ = true; }
  void on_closed() override { connection_.thread().cancel(std::exchange(timer_, 0)); }

 private:
  Core& core_;
  Connection& connection_;
  std::string seen_;
  env::TimerId timer_ = 0;
  bool closing_ = false;
};

absl::Status Listener::Core::prepare() {
  if (bound_) return absl::OkStatus();
  if (options_.tls) {
    auto tls = TlsContext::for_server(*options_.tls);
    if (!tls.ok()) return tls.status();
    tls_ = std::move(*tls);
  }
  max_connections_ = options_.max_connections != 0 ? options_.max_connections : file_limit();
  absl::Status bound = bind();
  bound_ = bound.ok();
  return bound;
}

absl::Status Listener::Core::start() {
  if (absl::Status prepared = prepare(); !prepared.ok()) return prepared;
  accept_soon();
  return absl::OkStatus();
}

absl::Status Listener::Core::bind() {
  error_code error;
  StreamProtocol::endpoint endpoint;
  std::string name = options_.unix_path;
  if (name.empty()) {
    auto address = boost::asio::ip::make_address(options_.address, error);
    if (error)
      return make_status(absl::StatusCode::kInvalidArgument,
                         fmt::format("not an IP address: {}", options_.address));
    endpoint = tcp::endpoint(address, options_.port);
    name = fmt::format("{}:{}", address.is_v6() ? fmt::format("[{}]", options_.address) : options_.address,
                       options_.port);
  } else if (name.size() < sizeof(sockaddr_un::sun_path)) {
    endpoint = boost::asio::local::stream_protocol::endpoint(name);
  } else {
    return make_status(absl::StatusCode::kInvalidArgument,
                       fmt::format("path too long for a unix socket: {}", name));
  }
  // As Go's net.OpError tells it, whose texts of errors begin with a small letter.
  auto failed = [&](std::string_view what) {
    std::string reason = error.message();
    if (!reason.empty()) reason.front() = absl::ascii_tolower(static_cast<unsigned char>(reason.front()));
    return make_status(absl::StatusCode::kUnavailable,
                       fmt::format("listen {} {}: {}: {}", options_.unix_path.empty() ? "tcp" : "unix", name, what, reason));
  };
  acceptor_.open(endpoint.protocol(), error);
  if (error) return failed("socket");
  if (options_.reuse_address) acceptor_.set_option(Acceptor::reuse_address(true), error);
  if (options_.reuse_port) {
    using ReusePort = boost::asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;
    acceptor_.set_option(ReusePort(true), error);
  }
  acceptor_.bind(endpoint, error);
  if (error) return failed("bind");
  acceptor_.listen(boost::asio::socket_base::max_listen_connections, error);
  if (error) return failed("listen");
  acceptor_.non_blocking(true, error);
  if (options_.unix_path.empty()) port_ = bound_port();
  return absl::OkStatus();
}

uint16_t Listener::Core::bound_port() const {
  error_code error;
  const StreamProtocol::endpoint bound = acceptor_.local_endpoint(error);
  tcp::endpoint endpoint;
  if (error || bound.size() > endpoint.capacity()) return 0;
  std::memcpy(endpoint.data(), bound.data(), bound.size());
  endpoint.resize(bound.size());
  return endpoint.port();
}

void Listener::Core::accept_soon() {
  pool_.at(0).post([self = shared_from_this()] { self->accept(); });
}

void Listener::Core::accept() {
  if (accepting_ || state_ != State::open) return;
  for (int i = 0; i < kAcceptsPerEvent; ++i) {
    if (counters_.open.load(std::memory_order_relaxed) >= max_connections_) return;  // remove() resumes
    IoThread& thread = pool_.least_loaded();
    StreamSocket socket(thread.context());
    error_code error;
    acceptor_.accept(socket, error);
    if (error == boost::asio::error::would_block || error == boost::asio::error::try_again) break;
    if (error == boost::asio::error::connection_aborted || error == boost::asio::error::interrupted)
      continue;
    if (error) {
      pause_accepting(error);
      return;
    }
    counters_.accepted.fetch_add(1, std::memory_order_relaxed);
    for (size_t index = 0; index < pool_.size(); ++index) {
      if (&pool_.at(index) != &thread) continue;
      thread.post([self = shared_from_this(), index, s = std::move(socket)]() mutable {
        self->serve(index, std::move(s));
      });
      break;
    }
  }
  accepting_ = true;
  acceptor_.async_wait(Acceptor::wait_read, [self = shared_from_this()](const error_code& e) {
    self->accepting_ = false;
    if (!e) self->accept();
  });
}

void Listener::Core::pause_accepting(const error_code& error) {
  log_.warn("failed to accept a connection", {{"address", options_.unix_path.empty() ? options_.address : options_.unix_path},
                                              {"error", error.message()}});
  pause_timer_ = pool_.at(0).post_after(kAcceptPause, [self = shared_from_this()] {
    self->pause_timer_ = 0;
    self->accept();
  });
}

void Listener::Core::serve(size_t thread_index, StreamSocket socket) {
  if (state_ != State::open) return;
  error_code ignored;
  if (auto seconds = std::chrono::duration_cast<std::chrono::seconds>(options_.tcp_keepalive).count();
      seconds > 0) {
    using Idle = boost::asio::detail::socket_option::integer<IPPROTO_TCP, TCP_KEEPIDLE>;
    using Interval = boost::asio::detail::socket_option::integer<IPPROTO_TCP, TCP_KEEPINTVL>;
    socket.set_option(boost::asio::socket_base::keep_alive(true), ignored);
    socket.set_option(Idle(static_cast<int>(seconds)), ignored);
    socket.set_option(Interval(static_cast<int>(seconds)), ignored);
  }
  auto connection = std::make_shared<Connection>(
      Connection::Wiring{.thread = pool_.at(thread_index),
                         .counters = counters_,
                         .on_gone = [self = shared_from_this(),
                                     thread_index](Connection& c) { self->remove(thread_index, c); },
                         .on_refused = [this](const TlsRefusal& refusal) { log_refusal(refusal); }},
      std::move(socket));
  connection->set_write_timeout(options_.write_timeout);
  if (tls_ && options_.plain_text_beside_tls == ListenerOptions::PlainText::served) {
    connection->allow_tls(tls_, options_.tls_handshake_timeout);
  } else if (tls_) {
    connection->use_tls(tls_, options_.tls_handshake_timeout);
  }
  auto& connections = shards_[thread_index].connections;
  connection->index_in_owner = connections.size();
  connections.push_back(connection);
  connection->start(std::make_unique<Sniffer>(*this, *connection));
}

// As etcd's embed/config_logging.go; a client that only hangs up is worth no line.
void Listener::Core::log_refusal(const TlsRefusal& refusal) {
  const LogLevel level = refusal.cause == TlsRefusal::Cause::end_of_input ? LogLevel::debug : LogLevel::warn;
  if (options_.refusal_message.empty() || !log_.enabled(level)) return;
  std::vector<LogField> fields = {{"remote-addr", refusal.peer}, {"server-name", refusal.server_name}};
  if (refusal.certificate) {
    fields.emplace_back("ip-addresses", refusal.certificate->addresses);
    fields.emplace_back("dns-names", refusal.certificate->hosts);
  }
  fields.emplace_back("error", refusal.error);
  log_.write(level, options_.refusal_message, fields, __FILE__, __LINE__);
}

void Listener::Core::remove(size_t thread_index, Connection& connection) {
  auto& connections = shards_[thread_index].connections;
  size_t index = connection.index_in_owner;
  CHECK(index < connections.size() && connections[index].get() == &connection);
  // Its on_gone, which is what runs here, holds this core.
  std::swap(connections[index], connections.back());
  connections[index]->index_in_owner = index;
  auto gone = std::move(connections.back());
  connections.pop_back();
  uint64_t open = counters_.open.load(std::memory_order_relaxed);
  if (state_ == State::open && open + 1 >= max_connections_) accept_soon();
  if (state_ == State::draining) check_drained();
}

std::unique_ptr<Protocol> Listener::Core::protocol_for(Connection& connection,
                                                       std::string_view first_bytes) {
  bool draining = state_ != State::open;
  if (draining) return nullptr;
  if (first_bytes == kPreface) {
    auto requests = connection.tls() ? options_.http2_tls : options_.http2_plain_text;
    HttpHandler* http = requests == ListenerOptions::Http2Requests::all ? http_ : nullptr;
    if (grpc_ == nullptr && http == nullptr) return nullptr;
    return std::make_unique<Http2Session>(Http2Session::Wiring{.connection = connection,
                                                               .grpc = grpc_,
                                                               .http = http,
                                                               .http_options = options_.http,
                                                               .requests = requests});
  }
  if (http_ == nullptr) return nullptr;
  return std::make_unique<Http1Session>(connection, *http_, options_.http);
}

void Listener::Core::close_acceptor() {
  error_code ignored;
  acceptor_.close(ignored);
  pool_.at(0).cancel(std::exchange(pause_timer_, 0));
}

void Listener::Core::on_every_thread(std::function<void(Shard&)> act,
                                     std::shared_ptr<WhenAllGone> after) {
  for (size_t i = 0; i < pool_.size(); ++i)
    pool_.at(i).post([self = shared_from_this(), act, after, i] { act(self->shards_[i]); });
}

void Listener::Core::drain(env::Duration patience, Task done) {
  pool_.at(0).post([self = shared_from_this(), patience, d = std::move(done)]() mutable {
    if (self->state_ == State::closed) {
      d();
      return;
    }
    self->state_ = State::draining;
    self->drained_ = std::move(d);
    self->close_acceptor();
    self->patience_timer_ = self->pool_.at(0).post_after(patience, [self] {
      self->patience_timer_ = 0;
      self->close_all([self] { self->check_drained(); });
    });
    self->on_every_thread(
        [](Shard& shard) {
          auto connections = shard.connections;
          for (auto& connection : connections) connection->drain();
        },
        std::make_shared<WhenAllGone>([self] { self->check_drained(); }));
  });
}

void Listener::Core::check_drained() {
  pool_.at(0).post([self = shared_from_this()] {
    if (self->state_ == State::open || self->counters_.open.load() != 0 || !self->drained_) return;
    self->state_ = State::closed;
    self->pool_.at(0).cancel(std::exchange(self->patience_timer_, 0));
    Task done = std::exchange(self->drained_, {});
    done();
  });
}

void Listener::Core::close_all(Task done) {
  auto after = std::make_shared<WhenAllGone>(std::move(done));
  pool_.at(0).post([self = shared_from_this(), after = std::move(after)] {
    self->state_ = State::closed;
    self->close_acceptor();
    self->pool_.at(0).cancel(std::exchange(self->patience_timer_, 0));
    self->on_every_thread(
        [](Shard& shard) {
          while (!shard.connections.empty()) shard.connections.back()->close_now();
        },
        after);
  });
}

ListenerStats Listener::Core::stats() const {
  auto gauge = [](const std::atomic<int64_t>& v) {
    return static_cast<uint64_t>(std::max<int64_t>(v.load(std::memory_order_relaxed), 0));
  };
  return {.connections_accepted = counters_.accepted.load(std::memory_order_relaxed),
          .connections_open = counters_.open.load(std::memory_order_relaxed),
          .connections_refused = counters_.refused.load(std::memory_order_relaxed),
          .calls_open = gauge(counters_.calls_open),
          .request_bytes_held = gauge(counters_.request_bytes_held),
          .response_bytes_held = gauge(counters_.response_bytes_held),
          .bytes_in = counters_.bytes_in.load(std::memory_order_relaxed),
          .bytes_out = counters_.bytes_out.load(std::memory_order_relaxed)};
}

Listener::Listener(IoPool& pool, ListenerOptions options, Logger& log, const GrpcServer* grpc,
                   HttpHandler* http)
    : core_(std::make_shared<Core>(pool, std::move(options), log, grpc, http)) {}

Listener::~Listener() {
  std::promise<void> gone;
  core_->close_all([&gone] { gone.set_value(); });
  gone.get_future().wait();
  core_->drop_connections();
}

void Listener::answer_with(const GrpcServer* grpc, HttpHandler* http) { core_->answer_with(grpc, http); }
absl::Status Listener::bind() { return core_->prepare(); }
absl::Status Listener::start() { return core_->start(); }
uint16_t Listener::port() const { return core_->port(); }
void Listener::stop(env::Duration patience, Task done) { core_->drain(patience, std::move(done)); }
void Listener::stop_now(Task done) { core_->close_all(std::move(done)); }
ListenerStats Listener::stats() const { return core_->stats(); }

}  // namespace holdfast::net
