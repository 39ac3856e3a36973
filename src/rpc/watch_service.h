// etcdserverpb.Watch, and the hubs behind it, one for each I/O thread.
#pragma once

#include <map>
#include <memory>
#include <mutex>

#include "base/log.h"
#include "base/random.h"
#include "env/metrics.h"
#include "mvcc/watch_hub.h"
#include "rpc/rpc.h"
#include "rpc/watch_requests.h"

namespace holdfast::rpc {

class WatchService {
 public:
  struct Options {
    uint64_t max_request_bytes = 1'572'864;      // --max-request-bytes
    env::Duration progress_interval{};           // --watch-progress-notify-interval; 0: 10 minutes
    uint64_t random_seed = 0;
  };
  // The feed is the member's, who shares it. `rpc`, metrics and log outlive the service and its streams.
  WatchService(const Rpc& rpc, std::shared_ptr<mvcc::WatchFeed> feed, env::Metrics& metrics, Logger& log,
               Options options);
  ~WatchService();

  void register_on(net::GrpcServer& server);

  // One more stream, with its watchers on `executor`: what a transport that isn't gRPC takes. Call it there.
  std::unique_ptr<WatchRequests> open(env::Executor& executor, WatchRequests::Identify identify,
                                      mvcc::WatchSink& sink);
  // The hub of an I/O thread, for who watches without a client. Thread-safe; shared by the thread's streams.
  std::shared_ptr<mvcc::WatchHub> hub(env::Executor& executor);

 private:
  std::unique_ptr<net::StreamSession> open_stream(net::StreamCallRef call);
  env::Duration jitter();

  const Rpc& rpc_;
  const std::shared_ptr<mvcc::WatchFeed> feed_;  // shared with the member
  Logger& log_;
  const Options options_;
  mvcc::WatchMetrics metrics_;

  std::mutex mutex_;  // guards what follows
  Random random_;
  std::map<env::Executor*, std::shared_ptr<mvcc::WatchHub>> hubs_;  // shared by their streams
};

}  // namespace holdfast::rpc
