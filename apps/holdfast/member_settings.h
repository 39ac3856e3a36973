// From the user's configuration to the small option structs of the parts.
#pragma once

#include "absl/status/statusor.h"
#include "apps/holdfast/config.h"
#include "net/grpc_server.h"
#include "net/listener.h"
#include "peer/host.h"
#include "server/member_config.h"

namespace holdfast::app {

absl::StatusOr<server::MemberConfig> member_settings(const config::Config& config);
net::GrpcOptions grpc_settings(const config::Config& config);
// How this member reaches its peers.
struct PeerDialling {
  std::string tls_name;       // that their certificates must be of; empty: each one's own
  std::string local_address;  // config::find_local_address()
};
// What the peers' transport needs; snapshots go to the data directory.
peer::TransportSettings transport_settings(const config::Config& config, const server::MemberConfig& member,
                                           const config::TlsFiles& tls, const PeerDialling& dialling);
absl::StatusOr<net::ListenerOptions> peer_listener_settings(const config::Config& config, const config::Url& url,
                                                            const config::TlsFiles& tls);
// The largest message as JSON: base64 makes three bytes four.
size_t json_bytes_max(const config::Config& config);

}  // namespace holdfast::app
