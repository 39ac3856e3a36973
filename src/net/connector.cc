#include "net/connector.h"

#include <utility>

#include "base/errors.h"
#include "fmt/format.h"

namespace holdfast::net {
namespace {

using boost::asio::ip::tcp;

struct Attempt {
  tcp::socket socket;
  ConnectTarget target;
  Connection::Wiring wiring;
  std::function<void(absl::Status, std::shared_ptr<Connection>)> done;
  env::TimerId timer = 0;
  bool timed_out = false;
};

absl::Status unavailable(const ConnectTarget& target, std::string_view why) {
  return make_status(absl::StatusCode::kUnavailable,
                     fmt::format("connection error: dial tcp {}:{}: connect: {}", target.address,
                                 target.port, why));
}

}  // namespace

void connect(const ConnectTarget& target, Connection::Wiring wiring,
             std::function<void(absl::Status, std::shared_ptr<Connection>)> done) {
  IoThread& thread = wiring.thread;
  boost::system::error_code error;
  auto address = boost::asio::ip::make_address(target.address, error);
  if (error) {
    thread.post([target, done] { done(unavailable(target, "not an IP address"), nullptr); });
    return;
  }
  auto attempt = std::make_shared<Attempt>(  // shared by timer and completion
      Attempt{tcp::socket(thread.context()), target, std::move(wiring), std::move(done)});
  attempt->timer = thread.post_after(target.timeout, [attempt] {
    attempt->timer = 0;
    attempt->timed_out = true;
    boost::system::error_code ignored;
    attempt->socket.close(ignored);
  });
  attempt->socket.async_connect(
      tcp::endpoint(address, target.port),
      [attempt](const boost::system::error_code& result) {
        attempt->wiring.thread.cancel(std::exchange(attempt->timer, 0));
        auto finished = std::exchange(attempt->done, nullptr);
        if (result || attempt->timed_out) {
          finished(unavailable(attempt->target, attempt->timed_out ? "i/o timeout" : result.message()),
                   nullptr);
          return;
        }
        auto connection =
            std::make_shared<Connection>(std::move(attempt->wiring), std::move(attempt->socket));
        if (attempt->target.tls) connection->use_tls(attempt->target.tls, attempt->target.timeout);
        finished(absl::OkStatus(), std::move(connection));
      });
}

}  // namespace holdfast::net
