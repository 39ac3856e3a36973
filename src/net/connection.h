// A connection, by TCP or a unix socket, on its I/O thread: sockets, TLS, and the order of reading, writing and closing. What the bytes mean is
// the Protocol's business.
#pragma once

#include <atomic>
#include <boost/asio/generic/stream_protocol.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "net/io_thread.h"
#include "net/peer_info.h"
#include "net/socket_poller.h"
#include "net/tls.h"

namespace holdfast::net {

// Shared by the connections of a listener or client. Written on I/O threads, read from anywhere.
struct TrafficCounters {
  std::atomic<uint64_t> bytes_in{0}, bytes_out{0};
  std::atomic<uint64_t> accepted{0}, open{0}, refused{0};
  std::atomic<int64_t> calls_open{0}, request_bytes_held{0}, response_bytes_held{0};
};

// What speaks over a connection. Called on its I/O thread only.
class Protocol {
 public:
  virtual ~Protocol() = default;
  virtual void on_input(std::string_view bytes) = 0;
  // Appends about `limit` bytes of what waits to be written. True when more is left that could be written now.
  virtual bool produce(std::string& out, size_t limit) = 0;
  // No more input or output will ever be wanted: write what was produced, then close.
  virtual bool finished() const = 0;
  // False stops reading; after a change call Connection::flush_soon().
  virtual bool wants_input() const { return true; }
  // The peer sends no more, and all output was written. True: keep the connection for output that is still to come.
  // Asked again after each flush.
  virtual bool on_end_of_input() { return false; }
  // Graceful stop: take no new work, become finished() when the present work is done.
  virtual void drain() = 0;
  // The connection is gone. Called once, last, and never from inside another method.
  virtual void on_closed() = 0;
};

// A connection that TLS did not let through.
struct TlsRefusal {
  std::string peer;         // as PeerInfo::address
  std::string server_name;  // that the client asked for
  std::optional<AlternativeNames> certificate;  // of the peer, if its chain was good
  std::string error;        // Go's words
  enum class Cause : uint8_t { end_of_input, other };  // the peer hung up, or something worth a line
  Cause cause = Cause::other;
};

using StreamSocket = boost::asio::generic::stream_protocol::socket;

class Connection final : public Flushable, public Pollable, public std::enable_shared_from_this<Connection> {
 public:
  // `on_gone` runs when the connection is closed for good (on the I/O thread). `counters` must outlive the connection,
  // and `thread` too. Whoever makes a connection keeps it until then. `on_refused` runs when TLS, or what its certificates
  // say, keeps the peer out.
  struct Wiring {
    IoThread& thread;
    TrafficCounters& counters;
    std::function<void(Connection&)> on_gone;
    std::function<void(const TlsRefusal&)> on_refused = {};
  };
  Connection(Wiring wiring, StreamSocket socket);
  ~Connection() override;

  // Put TLS between socket and protocol; before start().
  void use_tls(std::shared_ptr<TlsContext> context, env::Duration handshake_timeout);
  // Chooses by the first byte: a TLS handshake record gets TLS, anything else is handed on as it is.
  void allow_tls(std::shared_ptr<TlsContext> context, env::Duration handshake_timeout);
  void start(std::unique_ptr<Protocol> protocol);
  // Output that the socket takes none of for so long ends the connection (0: never).
  void set_write_timeout(env::Duration timeout) { write_timeout_ = timeout; }
  // From inside the present protocol's on_input(): it is destroyed when that returns, and `next` gets `bytes`.
  void replace_protocol(std::unique_ptr<Protocol> next, std::string bytes);

  // Writes at the end of the loop's turn; also where finished() and wants_input() are looked at again.
  void flush_soon() { thread_.flush_later(*this); }
  void flush() override;
  void on_ready(SocketEvents events) override;
  // Closes at once, from outside the protocol's methods. Keeps `this` alive until it returns.
  void close_now();
  void drain() {
    if (protocol_) protocol_->drain();
    flush_soon();
  }
  // Counts the connection as one that we closed for the peer's fault.
  void count_refused();

  IoThread& thread() { return thread_; }
  TrafficCounters& counters() { return counters_; }
  const std::shared_ptr<const PeerInfo>& peer() const { return peer_; }
  bool tls() const { return tls_ != nullptr; }
  // Why TLS failed; empty: it did not.
  const std::string& tls_error() const { return tls_error_; }
  bool closed() const { return closed_; }
  size_t index_in_owner = 0;  // for the owner's list

 private:
  enum class TlsChoice : uint8_t { plain, decided, by_first_byte };

  void start_reading();
  void on_readable();
  void on_writable();
  void receive(std::string_view bytes);
  void identify_peer();
  // Decides whether the client may come from where it comes from; input waits meanwhile.
  void check_address();
  std::string read_error(std::string_view why) const;
  std::string remote_address() const;
  std::string address_error() const;
  void address_checked(bool fits);
  void receive_plain(std::string_view bytes);
  void input_ended();
  // False when the connection was closed.
  bool write_out(bool& more);
  bool send_now(std::string_view bytes);
  void arm_write_timer();
  void begin_linger();
  void close_socket();
  void arm_handshake_timer();
  void refuse(std::string error, TlsRefusal::Cause cause = TlsRefusal::Cause::other);
  bool in_handshake() const { return tls_ && !tls_->established(); }

  IoThread& thread_;
  TrafficCounters& counters_;
  std::function<void(Connection&)> on_gone_;
  std::function<void(const TlsRefusal&)> on_refused_;
  const int socket_;  // not asked about once closed_
  std::shared_ptr<const PeerInfo> peer_;  // shared with the calls, which may outlive the connection
  std::unique_ptr<Protocol> protocol_;
  std::unique_ptr<Protocol> replaced_;
  std::shared_ptr<TlsContext> tls_context_;  // shared with the listener's other connections
  std::unique_ptr<TlsFilter> tls_;
  std::string tls_error_;
  TlsChoice tls_choice_ = TlsChoice::plain;
  env::Duration handshake_timeout_{};
  env::Duration write_timeout_{};
  env::TimerId timer_ = 0;  // handshake, later linger
  env::TimerId write_timer_ = 0;
  std::string unsent_;      // what the socket would not take; at most one turn's output
  size_t linger_budget_ = 0;
  std::string held_input_;  // decrypted while the client's address is being checked; what was read at once
  bool checking_address_ = false;
  bool reading_ = false;      // input is wanted
  bool readable_ = false;     // the socket may hold some; as long as the kernel has not said that it holds none
  bool peer_ended_ = false;   // after the last bytes comes the end, and no more news
  bool input_ended_ = false;
  bool lingering_ = false;
  bool failed_ = false;  // close at the next flush
  bool closed_ = false;
  bool refused_ = false;
};

}  // namespace holdfast::net
