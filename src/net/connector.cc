#include "net/connector.h"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <utility>
#include <vector>

#include "base/errors.h"
#include "fmt/format.h"

namespace holdfast::net {
namespace {

using boost::asio::ip::tcp;
using boost::system::error_code;

constexpr const char* kRefused = "holdfast.net/refused";  // the payload that marks a status

// Shared by the timer, the look-up and the completions; the last of them lets it go.
class Attempt : public std::enable_shared_from_this<Attempt> {
 public:
  using Done = std::function<void(absl::Status, std::shared_ptr<Connection>)>;
  Attempt(const ConnectTarget& target, Connection::Wiring wiring, Done done)
      : target_(target),
        wiring_(std::move(wiring)),
        done_(std::move(done)),
        resolver_(wiring_.thread.context()),
        socket_(wiring_.thread.context()) {}

  void begin() {
    timer_ = wiring_.thread.post_after(target_.timeout, [self = shared_from_this()] {
      self->timer_ = 0;
      self->finish(self->unavailable("connect: i/o timeout"), nullptr);
    });
    if (!target_.unix_path.empty()) {
      if (target_.unix_path.size() >= sizeof(sockaddr_un::sun_path)) {
        finish(unavailable("path too long for a unix socket"), nullptr);
        return;
      }
      endpoints_ = {boost::asio::local::stream_protocol::endpoint(target_.unix_path)};
      try_next(error_code());
      return;
    }
    error_code not_an_address;
    auto address = boost::asio::ip::make_address(target_.address, not_an_address);
    if (!not_an_address) {
      endpoints_ = {tcp::endpoint(address, target_.port)};
      try_next(error_code());
      return;
    }
    resolver_.async_resolve(
        target_.address, std::to_string(target_.port), tcp::resolver::numeric_service,
        [self = shared_from_this()](const error_code& error, const tcp::resolver::results_type& found) {
          if (error) {
            self->finish(self->unavailable(fmt::format("lookup {}: {}", self->target_.address, error.message())),
                         nullptr);
            return;
          }
          for (const auto& entry : found) self->endpoints_.emplace_back(entry.endpoint());
          self->try_next(boost::asio::error::host_not_found);
        });
  }

 private:
  absl::Status unavailable(std::string_view why) const {
    const std::string where = target_.unix_path.empty() ? fmt::format("tcp {}:{}", target_.address, target_.port)
                                                        : fmt::format("unix {}", target_.unix_path);
    return make_status(absl::StatusCode::kUnavailable, fmt::format("connection error: dial {}: {}", where, why));
  }

  void try_next(const error_code& last_error) {
    if (!done_) return;
    if (next_ == endpoints_.size()) {
      absl::Status status = unavailable(fmt::format("connect: {}", last_error.message()));
      if (last_error == boost::asio::error::connection_refused) status.SetPayload(kRefused, absl::Cord());
      finish(std::move(status), nullptr);
      return;
    }
    socket_ = StreamSocket(wiring_.thread.context());
    const StreamSocket::endpoint_type& endpoint = endpoints_[next_++];
    if (const error_code refused = bind_to_local_address(endpoint); refused) return try_next(refused);
    socket_.async_connect(endpoint, [self = shared_from_this()](const error_code& result) {
      if (!self->done_) return;
      if (result) {
        self->try_next(result);
        return;
      }
      auto connection = std::make_shared<Connection>(self->wiring_, std::move(self->socket_));
      if (self->target_.tls) connection->use_tls(self->target_.tls, self->target_.timeout);
      self->finish(absl::OkStatus(), std::move(connection));
    });
  }

  error_code bind_to_local_address(const StreamSocket::endpoint_type& remote) {
    error_code error;
    if (target_.local_address.empty() || !target_.unix_path.empty()) return error;
    const auto address = boost::asio::ip::make_address(target_.local_address, error);
    if (!error) socket_.open(remote.protocol(), error);
    if (error) return error;
    // Its port is chosen when the remote end is known: one local port serves many of them.
    using PortLater = boost::asio::detail::socket_option::boolean<IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT>;
    error_code ignored;
    socket_.set_option(PortLater(true), ignored);
    socket_.bind(tcp::endpoint(address, 0), error);
    return error;
  }

  void finish(absl::Status status, std::shared_ptr<Connection> connection) {
    wiring_.thread.cancel(std::exchange(timer_, 0));
    error_code ignored;
    if (!connection) socket_.close(ignored);
    resolver_.cancel();
    if (auto done = std::exchange(done_, nullptr)) done(std::move(status), std::move(connection));
  }

  const ConnectTarget target_;
  const Connection::Wiring wiring_;
  Done done_;
  tcp::resolver resolver_;
  StreamSocket socket_;
  std::vector<StreamSocket::endpoint_type> endpoints_;
  size_t next_ = 0;
  env::TimerId timer_ = 0;
};

}  // namespace

bool is_refused(const absl::Status& status) { return status.GetPayload(kRefused).has_value(); }

void connect(const ConnectTarget& target, Connection::Wiring wiring,
             std::function<void(absl::Status, std::shared_ptr<Connection>)> done) {
  std::make_shared<Attempt>(target, std::move(wiring), std::move(done))->begin();
}

}  // namespace holdfast::net
