// Which ports are opened for clients, and how: from the listen URLs and the TLS flags (etcd embed/etcd.go
// configureClientListeners; parity HTTP-01, HTTP-02, HTTP-14).
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "apps/holdfast/config.h"
#include "base/log.h"
#include "env/file_system.h"
#include "net/listener.h"

namespace holdfast::app {

struct Port {
  std::string address;  // as the URLs have it
  net::ListenerOptions options;
  bool grpc = true;
  bool http = true;
  bool secure = false;    // an https URL names it
  bool insecure = false;  // an http URL names it
};

// Of a unix socket: a stale one before it is bound, ours when it is closed (TLS-09). Nothing for other ports.
absl::Status remove_socket_file(env::FileSystem& files, const net::ListenerOptions& options);

// An address to listen on, without TLS. InvalidArgument for one that cannot be listened on.
absl::StatusOr<Port> port_of(const config::Config& config, const config::Url& url);

// `tls`: config.client_tls, or what --auto-tls made of it. URLs that name one address share a port, which then tells TLS
// and plain text apart. Warns of certificates that a plain URL leaves unused.
absl::StatusOr<std::vector<Port>> client_ports(const config::Config& config, const config::TlsFiles& tls,
                                               Logger& log);
// --listen-metrics-urls.
absl::StatusOr<std::vector<Port>> metrics_ports(const config::Config& config, const config::TlsFiles& tls);

}  // namespace holdfast::app
