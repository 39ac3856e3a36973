// Who a new member's cluster consists of, when --initial-cluster doesn't say: by DNS SRV records (--discovery-srv), or
// by the members' meeting in another cluster (--discovery-endpoints). etcd embed/config.go PeerURLsMapAndToken; parity
// OPS-01..04.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "apps/holdfast/config.h"
#include "base/log.h"
#include "env/executor.h"
#include "env/name_resolver.h"
#include "net/io_thread.h"
#include "rpc/discovery_client.h"
#include "server/member_config.h"
#include "server/v3_discovery.h"

namespace holdfast::app {

// Sets settings.initial_cluster from DNS. `peer_tls_name`: the name to check the peers' certificates for, if not each
// one's own. Waits for the network.
absl::Status find_initial_cluster_by_dns(const config::Config& config, env::NameResolver& names, Logger& log,
                                         server::MemberConfig& settings, std::string& peer_tls_name);

// The meeting, with a thread of its own for the connection.
class DiscoveryMeeting {
 public:
  DiscoveryMeeting(const config::Discovery& discovery, const env::Clock& clock, Logger& log);
  ~DiscoveryMeeting();
  server::Discovery& discovery() { return discovery_; }

 private:
  net::IoPool io_;
  rpc::DiscoveryClient client_;
  server::V3Discovery discovery_;
};

}  // namespace holdfast::app
