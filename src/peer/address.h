// Peer URLs: their parts, and which of a member's URLs is tried next (etcd rafthttp/urlpick.go; parity RAFT-13).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast::peer {

struct Address {
  std::string url;   // as given
  std::string host;  // "10.0.0.1:2380": for the Host field
  std::string name;  // without port and brackets
  uint16_t port = 0;
  std::string unix_path;  // of a socket file, instead of name and port
  bool tls = false;

  bool operator==(const Address&) const = default;
};

// "http://host:port" or "https://host:port", as membership checks them; or unix and unixs, whose host, port and path are
// together the path of a socket file (TLS-09). Nothing for what can't be dialled.
std::optional<Address> parse_address(std::string_view url);

// Sticks to a URL until it is called unreachable. One thread.
class UrlPicker {
 public:
  explicit UrlPicker(const std::vector<std::string>& urls) { update(urls); }
  void update(const std::vector<std::string>& urls);
  // Nothing if the member has no URL that can be dialled.
  std::optional<Address> pick() const;
  void unreachable(const Address& address);

 private:
  std::vector<Address> addresses_;
  size_t picked_ = 0;
};

}  // namespace holdfast::peer
