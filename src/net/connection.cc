#include "net/connection.h"

#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/ip/tcp.hpp>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "base/check.h"
#include "fmt/format.h"

namespace holdfast::net {
namespace {

// One busy connection reads at most this often per event (256 KiB each) before the others get their turn.
constexpr int kReadsPerEvent = 4;
// One flush takes about this much from a protocol, and the rest in the next turn.
constexpr size_t kFlushBytes = 256 * 1024;
// How long, and for how many bytes, a closed connection goes on reading: closing a socket with unread input makes the
// kernel send RST, which can overtake the last bytes written, a GOAWAY or an error page (grpc-go waits a second too).
constexpr env::Duration kLinger = std::chrono::seconds(1);
constexpr size_t kLingerBytes = 4 * 1024 * 1024;
// Memory kept for a connection's unsent bytes after they have gone.
constexpr size_t kUnsentKept = 16 * 1024;
constexpr char kTlsHandshakeRecord = 0x16;

// The address of one end, by getpeername() or getsockname(). Nothing for a client by unix socket.
std::optional<boost::asio::ip::tcp::endpoint> tcp_end(int socket, decltype(::getpeername) ask) {
  boost::asio::ip::tcp::endpoint endpoint;
  sockaddr_storage peer{};
  socklen_t size = sizeof peer;
  if (ask(socket, reinterpret_cast<sockaddr*>(&peer), &size) != 0) return std::nullopt;
  if ((peer.ss_family != AF_INET && peer.ss_family != AF_INET6) || size > endpoint.capacity()) return std::nullopt;
  std::memcpy(endpoint.data(), &peer, size);
  endpoint.resize(size);
  return endpoint;
}

// As Go prints them: a client by unix socket has no name.
std::string text_of(const std::optional<boost::asio::ip::tcp::endpoint>& endpoint) {
  if (!endpoint) return "@";
  if (endpoint->address().is_v6())
    return fmt::format("[{}]:{}", endpoint->address().to_string(), endpoint->port());
  return fmt::format("{}:{}", endpoint->address().to_string(), endpoint->port());
}

// Takes a socket from Boost.Asio, which would otherwise look at its events, too.
int released(StreamSocket& socket) {
  boost::system::error_code error;
  socket.set_option(boost::asio::ip::tcp::no_delay(true), error);
  socket.non_blocking(true, error);
  return socket.release(error);
}

}  // namespace

Connection::Connection(Wiring wiring, StreamSocket socket)
    : thread_(wiring.thread),
      counters_(wiring.counters),
      on_gone_(std::move(wiring.on_gone)),
      on_refused_(std::move(wiring.on_refused)),
      socket_(released(socket)) {
  auto peer = std::make_shared<PeerInfo>();
  peer->address = text_of(tcp_end(socket_, ::getpeername));
  peer_ = std::move(peer);
  failed_ = !thread_.sockets().add(socket_, *this);
  thread_.count_connection(1);
  counters_.open.fetch_add(1, std::memory_order_relaxed);
}

Connection::~Connection() {
  thread_.forget_flush(*this);
  if (!closed_) {
    // The thread ended with the connection open; calls in it are cancelled all the same.
    closed_ = true;
    close_socket();
    if (protocol_) protocol_->on_closed();
    thread_.count_connection(-1);
    counters_.open.fetch_sub(1, std::memory_order_relaxed);
  }
}

void Connection::use_tls(std::shared_ptr<TlsContext> context, env::Duration handshake_timeout) {
  tls_context_ = std::move(context);
  handshake_timeout_ = handshake_timeout;
  tls_choice_ = TlsChoice::decided;
}

void Connection::allow_tls(std::shared_ptr<TlsContext> context, env::Duration handshake_timeout) {
  use_tls(std::move(context), handshake_timeout);
  tls_choice_ = TlsChoice::by_first_byte;
}

void Connection::start(std::unique_ptr<Protocol> protocol) {
  protocol_ = std::move(protocol);
  if (tls_choice_ == TlsChoice::decided) tls_ = std::make_unique<TlsFilter>(tls_context_);
  if (tls_choice_ != TlsChoice::plain) arm_handshake_timer();
  flush_soon();
}

void Connection::arm_handshake_timer() {
  timer_ = thread_.post_after(handshake_timeout_, [weak = weak_from_this()] {
    auto self = weak.lock();
    if (!self) return;
    self->timer_ = 0;
    if (self->tls_) {
      self->refuse(self->read_error("i/o timeout"));
    } else {
      self->count_refused();
    }
    self->close_now();
  });
}

// The caller closes the connection.
void Connection::refuse(std::string error, TlsRefusal::Cause cause) {
  count_refused();
  tls_error_ = std::move(error);
  if (on_refused_) on_refused_({peer_->address, tls_->server_name(), tls_->peer_names(), tls_error_, cause});
}

void Connection::replace_protocol(std::unique_ptr<Protocol> next, std::string bytes) {
  CHECK(replaced_ == nullptr);
  replaced_ = std::exchange(protocol_, std::move(next));
  protocol_->on_input(bytes);
}

void Connection::start_reading() {
  reading_ = true;
  if (readable_) thread_.sockets().again(*this);
}

void Connection::on_ready(SocketEvents events) {
  auto self = shared_from_this();
  readable_ = readable_ || events.readable;
  peer_ended_ = peer_ended_ || events.ended;
  if (events.writable && !unsent_.empty()) on_writable();
  if (closed_ || !readable_ || !std::exchange(reading_, false)) return;
  on_readable();
}

void Connection::on_readable() {
  char* buffer = thread_.scratch().read.get();
  flush_soon();
  for (int i = 0; i < kReadsPerEvent; ++i) {
    ssize_t size = ::recv(socket_, buffer, IoThread::Scratch::kBytes, 0);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      readable_ = false;
      return;
    }
    if (size < 0) {
      if (in_handshake() && !failed_)
        refuse(read_error("read: " + boost::system::error_code(errno, boost::system::system_category()).message()));
      close_now();
      return;
    }
    if (size == 0) {
      readable_ = false;
      input_ended();
      return;
    }
    const bool all = static_cast<size_t>(size) < IoThread::Scratch::kBytes;
    readable_ = !all || peer_ended_;
    counters_.bytes_in.fetch_add(static_cast<uint64_t>(size), std::memory_order_relaxed);
    receive(std::string_view(buffer, static_cast<size_t>(size)));
    if (closed_ || failed_ || !readable_) return;
    if (!lingering_ && !protocol_->wants_input()) return;
  }
}

// What the last bytes asked for may be answered already: flush() writes that, then closes.
void Connection::input_ended() {
  input_ended_ = true;
  if (in_handshake() && !failed_ && !lingering_) refuse("EOF", TlsRefusal::Cause::end_of_input);
  if (lingering_) {
    close_now();
  } else {
    flush_soon();
  }
}

void Connection::receive(std::string_view bytes) {
  if (lingering_) {
    if (bytes.size() >= linger_budget_) {
      close_now();
    } else {
      linger_budget_ -= bytes.size();
    }
    return;
  }
  if (tls_choice_ == TlsChoice::by_first_byte) {
    tls_choice_ = TlsChoice::decided;
    if (bytes[0] == kTlsHandshakeRecord) {
      tls_ = std::make_unique<TlsFilter>(tls_context_);
    } else {
      thread_.cancel(std::exchange(timer_, 0));
    }
  }
  if (!tls_) {
    receive_plain(bytes);
    return;
  }
  // The handshake may end in one read and the first data come in the next, or both in one: whoever gets the data must
  // find out who sent it.
  auto plain = [&](std::string_view piece) {
    identify_peer();
    if (checking_address_) {
      held_input_.append(piece);
    } else {
      receive_plain(piece);
    }
  };
  auto outcome = tls_->feed(bytes, thread_.scratch().decrypted.get(), IoThread::Scratch::kBytes, plain);
  if (tls_->established()) identify_peer();
  if (outcome == TlsFilter::Outcome::failed) {
    if (in_handshake()) {
      refuse(tls_->error());
    } else {
      count_refused();
      tls_error_ = tls_->error();
    }
    failed_ = true;
  } else if (outcome == TlsFilter::Outcome::closed) {
    input_ended();
  }
}

// Once, when the TLS handshake is done; its time limit ends with it.
void Connection::identify_peer() {
  if (peer_->tls) return;
  thread_.cancel(std::exchange(timer_, 0));
  auto peer = std::make_shared<PeerInfo>(*peer_);
  tls_->describe_peer(*peer);
  peer_ = std::move(peer);
  check_address();
}

// As Go's net.OpError.
std::string Connection::read_error(std::string_view why) const {
  return fmt::format("read tcp {}->{}: {}", text_of(tcp_end(socket_, ::getsockname)), peer_->address, why);
}

std::string Connection::remote_address() const {
  const auto remote = tcp_end(socket_, ::getpeername);
  return remote ? remote->address().to_string() : "";
}

std::string Connection::address_error() const {
  const AlternativeNames names = tls_->peer_names().value_or(AlternativeNames());
  if (names.hosts.empty()) return names_do_not_fit(names, remote_address());
  return fmt::format("tls: \"{}\" does not match any of DNSNames [\"{}\"]", remote_address(),
                     fmt::join(names.hosts, "\" \""));
}

void Connection::check_address() {
  const std::string address = remote_address();
  auto names = tls_->names_to_check(address);
  if (!names) return;
  if (const auto fits = fits_at_once(*names)) {
    if (!*fits) address_checked(false);
    return;
  }
  checking_address_ = true;
  arm_handshake_timer();
  look_up_client(thread_, address, std::move(names->hosts), [weak = weak_from_this()](bool fits) {
    if (auto self = weak.lock(); self && !self->closed_) self->address_checked(fits);
  });
}

void Connection::address_checked(bool fits) {
  const bool waited = std::exchange(checking_address_, false);
  if (waited) thread_.cancel(std::exchange(timer_, 0));
  if (!fits) {
    refuse(address_error());
    failed_ = true;
  }
  if (!waited) return;
  flush_soon();
  const std::string input = std::exchange(held_input_, {});
  if (!input.empty()) receive_plain(input);
}

void Connection::receive_plain(std::string_view bytes) {
  if (closed_ || failed_) return;
  protocol_->on_input(bytes);
  replaced_.reset();
}

void Connection::flush() {
  if (closed_) return;
  auto self = shared_from_this();
  bool more = false;
  if (!lingering_ && unsent_.empty() && !write_out(more)) return;
  if (failed_) {
    close_now();
    return;
  }
  bool written = !lingering_ && unsent_.empty() && !more;
  if (written && input_ended_ && !checking_address_ && (protocol_->finished() || !protocol_->on_end_of_input())) {
    close_now();
    return;
  }
  if (written && protocol_->finished()) begin_linger();
  if (more) flush_soon();
  if (!reading_ && !input_ended_ && !checking_address_ && (lingering_ || protocol_->wants_input())) start_reading();
}

bool Connection::write_out(bool& more) {
  auto& scratch = thread_.scratch();
  scratch.write.clear();
  more = false;
  if (!tls_ || tls_->established()) more = protocol_->produce(scratch.write, kFlushBytes);
  std::string_view bytes = scratch.write;
  if (tls_) {
    scratch.encrypted.clear();
    if (tls_->encrypt(scratch.write, scratch.encrypted) != TlsFilter::Outcome::open) failed_ = true;
    bytes = scratch.encrypted;
  }
  return bytes.empty() || send_now(bytes);
}

bool Connection::send_now(std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t size = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
    if (size < 0) {
      close_now();
      return false;
    }
    counters_.bytes_out.fetch_add(static_cast<uint64_t>(size), std::memory_order_relaxed);
    bytes.remove_prefix(static_cast<size_t>(size));
  }
  if (!bytes.empty()) {
    unsent_.assign(bytes);
    arm_write_timer();
  }
  return true;
}

void Connection::arm_write_timer() {
  thread_.cancel(std::exchange(write_timer_, 0));
  if (write_timeout_.count() == 0) return;
  write_timer_ = thread_.post_after(write_timeout_, [weak = weak_from_this()] {
    auto self = weak.lock();
    if (!self) return;
    self->write_timer_ = 0;
    self->close_now();
  });
}

void Connection::on_writable() {
  std::string bytes = std::exchange(unsent_, {});
  if (!send_now(bytes) || !unsent_.empty()) return;
  thread_.cancel(std::exchange(write_timer_, 0));
  if (bytes.capacity() <= kUnsentKept) {
    bytes.clear();
    unsent_ = std::move(bytes);
  }
  flush_soon();
}

void Connection::begin_linger() {
  lingering_ = true;
  linger_budget_ = kLingerBytes;
  if (tls_) {
    auto& cipher = thread_.scratch().encrypted;
    cipher.clear();
    tls_->close();
    tls_->encrypt({}, cipher);
    if (!cipher.empty()) ::send(socket_, cipher.data(), cipher.size(), MSG_NOSIGNAL);
  }
  ::shutdown(socket_, SHUT_WR);
  thread_.cancel(timer_);
  timer_ = thread_.post_after(kLinger, [weak = weak_from_this()] {
    if (auto self = weak.lock()) {
      self->timer_ = 0;
      self->close_now();
    }
  });
}

void Connection::close_now() {
  if (closed_) return;
  auto self = shared_from_this();
  closed_ = true;
  thread_.forget_flush(*this);
  thread_.cancel(std::exchange(timer_, 0));
  thread_.cancel(std::exchange(write_timer_, 0));
  close_socket();
  if (protocol_) protocol_->on_closed();
  thread_.count_connection(-1);
  counters_.open.fetch_sub(1, std::memory_order_relaxed);
  if (auto gone = std::exchange(on_gone_, nullptr)) gone(*this);
}

void Connection::close_socket() {
  thread_.sockets().remove(socket_, *this);
  ::close(socket_);
}

void Connection::count_refused() {
  if (std::exchange(refused_, true)) return;
  counters_.refused.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace holdfast::net
