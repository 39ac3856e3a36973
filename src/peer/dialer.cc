#include "peer/dialer.h"

namespace holdfast::peer {

std::unique_ptr<net::HttpClient> make_client(net::IoThread& thread, const TransportSettings& settings,
                                             const Address& address, size_t answer_bytes_max) {
  net::HttpClientOptions options;
  options.address = address.name;
  options.port = address.port;
  options.unix_path = address.unix_path;
  options.local_address = settings.local_address;
  options.host = address.host;
  options.connect_timeout = settings.dial_timeout;
  options.write_timeout = settings.write_timeout;
  options.max_body_bytes = answer_bytes_max;
  if (address.tls) {
    options.tls = settings.tls;
    if (options.tls->server_name.empty()) options.tls->server_name = address.name;
    options.tls->protocols = net::TlsClientOptions::Protocols::http1;
  }
  return std::make_unique<net::HttpClient>(thread, std::move(options));
}

void dispose(net::IoThread& thread, std::unique_ptr<net::HttpClient> client) {
  if (client == nullptr) return;
  thread.post([client = std::move(client)]() mutable { client.reset(); });
}

}  // namespace holdfast::peer
