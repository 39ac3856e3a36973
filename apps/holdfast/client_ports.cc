#include "apps/holdfast/client_ports.h"

#include <algorithm>
#include <charconv>

#include "apps/holdfast/member_settings.h"
#include "apps/holdfast/tls_settings.h"
#include "base/errors.h"
#include "fmt/format.h"

namespace holdfast::app {

namespace {

absl::Status refuse(std::string_view text) {
  return make_status(absl::StatusCode::kInvalidArgument, text);
}

// TLS-09.
std::string address_of(const config::Url& url) { return url.is_unix() ? url.socket_path() : url.host; }

absl::Status add_url(const config::Config& config, const config::TlsFiles& tls, const config::Url& url, Port& port) {
  port.secure = port.secure || url.is_tls();
  port.insecure = port.insecure || !url.is_tls();
  if (url.is_tls()) {
    auto settings = tls_settings(config, tls);
    if (!settings.ok()) return settings.status();
    port.options.tls = *std::move(settings);
    port.options.refusal_message = "rejected connection on client endpoint";
  }
  if (port.secure && port.insecure)
    port.options.plain_text_beside_tls = net::ListenerOptions::PlainText::served;
  return absl::OkStatus();
}

absl::Status check_certificates(const config::TlsFiles& tls, const config::Url& url, Logger& log) {
  if (url.is_tls() && tls.empty())
    return refuse(fmt::format(
        "TLS key/cert (--cert-file, --key-file) must be provided for client url {} with HTTPS scheme", url.text()));
  if (url.is_tls() && (tls.cert_file.empty() || tls.key_file.empty()))
    return refuse(fmt::format("KeyFile and CertFile must both be present[key: {}, cert: {}]", tls.key_file,
                              tls.cert_file));
  if (url.is_tls() && tls.client_cert_file.empty() != tls.client_key_file.empty())
    return refuse(fmt::format("ClientKeyFile and ClientCertFile must both be present or both absent: key: {}, cert: {}]",
                              tls.client_key_file, tls.client_cert_file));
  if (url.is_tls()) return absl::OkStatus();
  if (!tls.empty())
    log.warn("scheme is http or unix while key and cert files are present; ignoring key and cert files",
             {{"client-url", url.text()}});
  if (tls.client_cert_auth)
    log.warn(
        "scheme is http or unix while --client-cert-auth is enabled; ignoring client cert auth for this URL",
        {{"client-url", url.text()}});
  return absl::OkStatus();
}

Port* find(std::vector<Port>& ports, const config::Url& url) {
  const auto it = std::find_if(ports.begin(), ports.end(), [&](const Port& port) { return port.address == address_of(url); });
  return it == ports.end() ? nullptr : &*it;
}

absl::Status add(const config::Config& config, const config::TlsFiles& tls, const config::Url& url,
                 std::vector<Port>& ports) {
  Port* port = find(ports, url);
  if (port == nullptr) {
    auto opened = port_of(config, url);
    if (!opened.ok()) return opened.status();
    opened->options.http.max_body_bytes =
        std::max(opened->options.http.max_body_bytes, json_bytes_max(config));
    port = &ports.emplace_back(*std::move(opened));
  }
  return add_url(config, tls, url, *port);
}

}  // namespace

absl::Status remove_socket_file(env::FileSystem& files, const net::ListenerOptions& options) {
  if (options.unix_path.empty()) return absl::OkStatus();
  absl::Status status = files.remove(options.unix_path);
  return status.code() == absl::StatusCode::kNotFound ? absl::OkStatus() : status;
}

absl::StatusOr<Port> port_of(const config::Config& config, const config::Url& url) {
  Port port;
  port.address = address_of(url);
  if (url.is_unix()) {
    port.options.unix_path = port.address;
    return port;
  }
  port.options.address = url.hostname() == "localhost" ? "127.0.0.1" : url.hostname();
  const std::string number = url.port();
  const auto parsed = std::from_chars(number.data(), number.data() + number.size(), port.options.port);
  if (parsed.ec != std::errc() || parsed.ptr != number.data() + number.size())
    return refuse(fmt::format("invalid port in {}", url.text()));
  port.options.reuse_port = config.socket_reuse_port;
  port.options.reuse_address = true;
  return port;
}

absl::StatusOr<std::vector<Port>> client_ports(const config::Config& config, const config::TlsFiles& tls,
                                               Logger& log) {
  for (const auto* urls : {&config.listen_client_urls, &config.listen_client_http_urls})
    for (const config::Url& url : *urls)
      if (absl::Status s = check_certificates(tls, url, log); !s.ok()) return s;

  std::vector<Port> ports;
  for (const config::Url& url : config.listen_client_urls)
    if (absl::Status s = add(config, tls, url, ports); !s.ok()) return s;
  if (config.listen_client_http_urls.empty()) return ports;

  for (Port& port : ports) port.http = false;
  std::vector<Port> http_ports;
  for (const config::Url& url : config.listen_client_http_urls) {
    if (find(ports, url) != nullptr)
      return refuse(fmt::format(
          "cannot bind both --listen-client-urls and --listen-client-http-urls on the same url {}", url.text()));
    if (absl::Status s = add(config, tls, url, http_ports); !s.ok()) return s;
  }
  for (Port& port : http_ports) {
    port.grpc = false;
    ports.push_back(std::move(port));
  }
  return ports;
}

absl::StatusOr<std::vector<Port>> metrics_ports(const config::Config& config, const config::TlsFiles& tls) {
  std::vector<Port> ports;
  for (const config::Url& url : config.listen_metrics_urls) {
    if (url.is_tls() && tls.empty())
      return refuse("client TLS key/cert (--cert-file, --key-file) must be provided for metrics secure url");
    if (absl::Status s = add(config, tls, url, ports); !s.ok()) return s;
    ports.back().grpc = false;
  }
  return ports;
}

}  // namespace holdfast::app
