// Opens one connection, by TCP or a unix socket, with or without TLS, for the clients in this library.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "net/connection.h"
#include "net/tls.h"

namespace holdfast::net {

struct ConnectTarget {
  std::string address;  // IP address, or a host name, whose addresses are tried in the resolver's order
  uint16_t port;
  std::string unix_path;            // of a socket file, instead of address and port
  std::string local_address;        // IP address to come from, by TCP; empty: the system's choice
  std::shared_ptr<TlsContext> tls;  // null: plain; shared with the client's later connections
  env::Duration timeout;            // for name and TCP; TLS has the same again
};

// On the wiring's thread; a name is looked up on a thread of its own. `done` runs on the wiring's thread, later, with a
// connection on which start() was not yet called, or with UNAVAILABLE and the system's words.
void connect(const ConnectTarget& target, Connection::Wiring wiring,
             std::function<void(absl::Status, std::shared_ptr<Connection>)> done);

// Whether it was connect()'s error because nobody listens there: the host answered, and knows of no such port.
bool is_refused(const absl::Status& status);

}  // namespace holdfast::net
