#include "apps/holdfast/initial_cluster.h"

#include "base/errors.h"
#include "fmt/format.h"
#include "membership/initial_cluster.h"
#include "server/dns_cluster.h"

namespace holdfast::app {

namespace {

absl::Status failed(std::string_view why) {
  return make_status(absl::StatusCode::kFailedPrecondition, fmt::format("error setting up initial cluster: {}", why));
}

rpc::DiscoveryClientOptions client_options(const config::Discovery& discovery) {
  rpc::DiscoveryClientOptions options;
  options.endpoints = discovery.endpoints;
  options.dial_timeout = discovery.dial_timeout;
  options.request_timeout = discovery.request_timeout;
  options.keepalive_time = discovery.keepalive_time;
  options.keepalive_timeout = discovery.keepalive_timeout;
  options.user = discovery.user;
  options.password = discovery.password;
  if (const size_t colon = options.user.find(':'); options.password.empty() && colon != std::string::npos) {
    options.password = options.user.substr(colon + 1);
    options.user.resize(colon);
  }
  const bool has_files = !discovery.cert_file.empty() || !discovery.key_file.empty() || !discovery.ca_file.empty();
  if (has_files || !discovery.insecure_transport || discovery.insecure_skip_tls_verify) {
    net::TlsClientOptions tls;
    tls.certificate_file = discovery.cert_file;
    tls.key_file = discovery.key_file;
    tls.trusted_ca_file = discovery.ca_file;
    if (discovery.insecure_skip_tls_verify) tls.verify = net::TlsClientOptions::Verify::nothing;
    options.tls = std::move(tls);
  }
  return options;
}

}  // namespace

absl::Status find_initial_cluster_by_dns(const config::Config& config, env::NameResolver& names, Logger& log,
                                         server::MemberConfig& settings, std::string& peer_tls_name) {
  auto text = server::initial_cluster_from_dns(names, log, config.discovery.srv_domain, config.discovery.srv_name,
                                               config.name, settings.advertise_peer_urls);
  if (!text.ok()) return failed(message(text.status()));
  auto cluster = membership::parse_initial_cluster(*text);
  if (!cluster.ok()) return failed(message(cluster.status()));
  settings.initial_cluster = *std::move(cluster);
  // Certificates of public authorities are of the domain.
  if (text->find("https://") != std::string::npos && config.peer_tls.trusted_ca_file.empty())
    peer_tls_name = config.discovery.srv_domain;
  return absl::OkStatus();
}

DiscoveryMeeting::DiscoveryMeeting(const config::Discovery& discovery, const env::Clock& clock, Logger& log)
    : io_(clock, 1, "discovery"),
      client_(io_.at(0), client_options(discovery)),
      discovery_(client_, log, discovery.token, discovery.endpoints) {
  io_.start();
}

DiscoveryMeeting::~DiscoveryMeeting() { io_.stop(); }

}  // namespace holdfast::app
