// --initial-cluster from DNS SRV records (etcd embed/config.go GetDNSClusterNames, client/pkg/srv; parity OPS-04).
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/log.h"
#include "env/name_resolver.h"

namespace holdfast::server {

// What stands under _etcd-server-ssl._tcp and _etcd-server._tcp in `domain`, "-suffix" appended to the services' names if
// `suffix` is not empty: "name=url,...". The member whose address one of `advertised` (peer URLs) resolves to gets `name`,
// the others 0, 1, 2... Waits for the network. Errors, with etcd's texts: neither service has members, this member is not
// among them.
absl::StatusOr<std::string> initial_cluster_from_dns(env::NameResolver& names, Logger& log,
                                                     const std::string& domain, const std::string& suffix,
                                                     const std::string& name,
                                                     const std::vector<std::string>& advertised);

}  // namespace holdfast::server
