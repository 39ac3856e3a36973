// The URLs of etcd's flags: http, https, unix and unixs, checked as etcd checks them (client/pkg/types/urls.go), with
// the error texts of etcd and of Go's net/url for what users get wrong. Pure.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace holdfast::config {

struct Url {
  std::string scheme;  // lower case
  std::string host;    // "host:port", IPv6 in brackets; for unix sockets whatever stands there
  std::string path;    // unix sockets only

  std::string text() const;  // as Go prints it
  bool is_unix() const { return scheme == "unix" || scheme == "unixs"; }
  bool is_tls() const { return scheme == "https" || scheme == "unixs"; }
  // The socket file of a unix URL: host and path joined, as etcd takes it (parity TLS-09).
  std::string socket_path() const { return host + path; }
  std::string hostname() const;  // without port and brackets
  std::string port() const;

  bool operator==(const Url&) const = default;
};

struct HostPort {
  std::string host;
  std::string port;
};
// "host:port", "[v6]:port"; Go's net.SplitHostPort with its error texts.
absl::StatusOr<HostPort> split_host_port(std::string_view text);
bool is_ip_address(std::string_view text);

// A comma-separated list: spaces trimmed, sorted by text, repeated ones dropped (FLG-09). InvalidArgument with
// etcd's text otherwise.
absl::StatusOr<std::vector<Url>> parse_urls(std::string_view list);
std::string join_urls(const std::vector<Url>& urls);
std::vector<std::string> url_texts(const std::vector<Url>& urls);

// "name=url,name=url": pairs grouped by name, both sorted; etcd's NewURLsMap.
using NamedUrls = std::vector<std::pair<std::string, std::vector<Url>>>;
absl::StatusOr<NamedUrls> parse_named_urls(std::string_view list);

}  // namespace holdfast::config
