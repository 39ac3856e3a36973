// server::DiscoveryStore over gRPC: the client of the cluster that serves v3 discovery (etcd client/v3 as
// api/v3discovery uses it; parity F-036..F-045). Each call goes to one endpoint; if that can't be reached, to the next.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/grpc_client.h"
#include "net/io_thread.h"
#include "server/v3_discovery.h"

namespace holdfast::rpc {

struct DiscoveryClientOptions {
  std::vector<std::string> endpoints;  // host:port, http, https, unix or unixs URLs; not empty
  std::optional<net::TlsClientOptions> tls;  // for endpoints that say neither http nor https; https without: the system's CAs
  env::Duration dial_timeout = std::chrono::seconds(2);
  env::Duration request_timeout = std::chrono::seconds(5);
  env::Duration keepalive_time = std::chrono::seconds(2);
  env::Duration keepalive_timeout = std::chrono::seconds(6);
  std::string user, password;  // both or nobody
};

// Of an endpoint, as etcd's clients read it (client/v3/internal/endpoint). InvalidArgument for what can't be dialled.
absl::StatusOr<net::GrpcClientOptions> discovery_endpoint(const std::string& endpoint,
                                                          const DiscoveryClientOptions& options);

class DiscoveryClient final : public server::DiscoveryStore {
 public:
  // `thread` outlives it. What is under way when it is destroyed ends without a word.
  DiscoveryClient(net::IoThread& thread, DiscoveryClientOptions options);
  ~DiscoveryClient() override;

  void open(env::Executor& executor, Finished done) override;
  void get(const std::string& key, Done<Answer> done) override;
  void get_prefix(const std::string& prefix, Done<Answer> done) override;
  void put(const std::string& key, const std::string& value, Finished done) override;
  void watch(const std::string& prefix, int64_t revision, UniqueFunction<void(std::vector<Pair>)> on_pairs,
             Finished ended) override;
  void stop_watching() override;

 private:
  class Core;
  void range(std::string request, Done<Answer> done);

  std::shared_ptr<Core> core_;       // shared with what is posted to the thread
  std::shared_ptr<bool> listening_;  // to the present watch; on the executor; shared with its tasks
};

}  // namespace holdfast::rpc
