// What a client asks on one watch stream, whatever carries it (gRPC, the gateway): checks and permission, then the hub
// (etcd v3rpc/watch.go recvLoop; WAT-01..06).
#pragma once

#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "base/log.h"
#include "env/clock.h"
#include "mvcc/watch_hub.h"
#include "server/v3_server.h"

namespace etcdserverpb {
class WatchCreateRequest;
class WatchRequest;
}  // namespace etcdserverpb

namespace holdfast::rpc {

// On the hub's executor, destroyed there too.
class WatchRequests {
 public:
  // Who asks; called for each watcher that is created, as a token may expire meanwhile.
  using Identify = std::function<absl::StatusOr<server::AuthInfo>()>;
  struct Parts {
    const server::V3Server& v3;
    std::shared_ptr<mvcc::WatchHub> hub;  // shared by the streams of a thread
    Logger& log;
    Identify identify;
  };
  // `sink` outlives this.
  WatchRequests(Parts parts, mvcc::WatchSink& sink, env::Duration progress_jitter);
  ~WatchRequests();
  WatchRequests(const WatchRequests&) = delete;
  WatchRequests& operator=(const WatchRequests&) = delete;

  void handle(const etcdserverpb::WatchRequest& request);
  // The sink has room again.
  void on_drained();
  // Forgets all watchers; nothing is sent any more.
  void close();

 private:
  void create(const etcdserverpb::WatchCreateRequest& request);
  absl::Status check_permission(std::string_view key, std::string_view end) const;

  const Parts parts_;
  mvcc::WatchHub::Stream* stream_;  // null: closed
};

}  // namespace holdfast::rpc
