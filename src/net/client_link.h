// A client's one connection to its one server, opened again when it is wanted. On the client's I/O thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "base/task.h"
#include "net/connection.h"
#include "net/io_thread.h"
#include "net/tls.h"

namespace holdfast::net {

class ClientLink {
 public:
  struct Server {
    std::string address;  // as in ConnectTarget
    uint16_t port;
    std::string unix_path;
    std::string local_address;
    std::optional<TlsClientOptions> tls;
    env::Duration timeout;
  };

  ClientLink(IoThread& thread, Server server) : thread_(thread), server_(std::move(server)) {}

  // `opened` runs later, once: with OK there is a connection on which start() was not yet called, in place of the one
  // before. Not after shut(). `owner`, who shares this link's life, is kept alive until then. Not while opening().
  void open(std::shared_ptr<void> owner, UniqueFunction<void(const absl::Status&)> opened);
  bool opening() const { return opening_; }
  Connection& connection() { return *connection_; }
  // What TLS refused on the last connection; empty if nothing.
  const std::string& tls_error() const { return connection_->tls_error(); }
  // For good.
  void shut();

 private:
  absl::Status prepare_tls();
  void end(const absl::Status& status, std::shared_ptr<Connection> connection);

  IoThread& thread_;
  const Server server_;
  TrafficCounters counters_;
  std::shared_ptr<TlsContext> tls_;         // shared with connections
  std::shared_ptr<Connection> connection_;  // shared with its pending reads
  UniqueFunction<void(const absl::Status&)> opened_;
  bool opening_ = false;
  bool shut_ = false;
};

// Calls core->shut() on the core's thread, also when that has ended and destroys its tasks unrun.
template <class Core>
void shut_on_its_thread(std::shared_ptr<Core> core) {  // shared with the connection until that has closed
  class Shut {
   public:
    explicit Shut(std::shared_ptr<Core> c) : core_(std::move(c)) {}
    Shut(Shut&&) = default;
    ~Shut() {
      if (core_) core_->shut();
    }
    void operator()() { std::exchange(core_, nullptr)->shut(); }

   private:
    std::shared_ptr<Core> core_;  // shared as above
  };
  IoThread& thread = core->thread();
  Shut shut(std::move(core));
  if (!thread.running_here()) thread.post(std::move(shut));
}

}  // namespace holdfast::net
