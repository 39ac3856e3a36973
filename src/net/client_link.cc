#include "net/client_link.h"

#include "net/connector.h"

namespace holdfast::net {

void ClientLink::open(std::shared_ptr<void> owner, UniqueFunction<void(const absl::Status&)> opened) {
  opening_ = true;
  opened_ = std::move(opened);
  if (const absl::Status prepared = prepare_tls(); !prepared.ok()) {
    thread_.post([this, owner = std::move(owner), prepared] { end(prepared, nullptr); });
    return;
  }
  connect({.address = server_.address,
           .port = server_.port,
           .unix_path = server_.unix_path,
           .local_address = server_.local_address,
           .tls = tls_,
           .timeout = server_.timeout},
          {.thread = thread_, .counters = counters_, .on_gone = [owner](Connection&) {}},
          [this, owner](absl::Status status, std::shared_ptr<Connection> connection) {
            end(status, std::move(connection));
          });
}

// A cache knows of files that were replaced.
absl::Status ClientLink::prepare_tls() {
  if (!server_.tls || (tls_ && !server_.tls->cache)) return absl::OkStatus();
  auto tls = TlsContext::for_client(*server_.tls);
  if (tls.ok()) tls_ = *std::move(tls);
  return tls.status();
}

void ClientLink::end(const absl::Status& status, std::shared_ptr<Connection> connection) {
  opening_ = false;
  if (shut_) {
    if (connection) connection->close_now();
    return;
  }
  if (status.ok()) connection_ = std::move(connection);
  std::exchange(opened_, nullptr)(status);
}

void ClientLink::shut() {
  shut_ = true;
  opened_ = nullptr;
  if (connection_) connection_->close_now();
  connection_.reset();
}

}  // namespace holdfast::net
