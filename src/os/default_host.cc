#include "os/default_host.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

#include <fstream>
#include <limits>
#include <sstream>

namespace holdfast::os {
namespace {

// Name of the interface of the default route with the lowest metric; empty if there is none.
std::string default_interface_v4() {
  std::ifstream table("/proc/net/route");
  std::string best;
  unsigned long best_metric = std::numeric_limits<unsigned long>::max();
  for (std::string line; std::getline(table, line);) {
    std::istringstream columns(line);
    std::string interface, destination, gateway, flags, references, use, metric, mask;
    columns >> interface >> destination >> gateway >> flags >> references >> use >> metric >> mask;
    if (destination != "00000000" || mask != "00000000") continue;
    const unsigned long value = std::stoul(metric);
    if (value < best_metric) {
      best = interface;
      best_metric = value;
    }
  }
  return best;
}

std::string default_interface_v6() {
  std::ifstream table("/proc/net/ipv6_route");
  for (std::string line; std::getline(table, line);) {
    std::istringstream columns(line);
    std::string destination, prefix, word, interface;
    columns >> destination >> prefix;
    while (columns >> word) interface = word;  // the last column
    if (prefix == "00" && destination.find_first_not_of('0') == std::string::npos &&
        interface != "lo")
      return interface;
  }
  return "";
}

std::string address_of(const std::string& interface, int family) {
  ifaddrs* addresses = nullptr;
  if (interface.empty() || getifaddrs(&addresses) != 0) return "";
  std::string result;
  for (const ifaddrs* entry = addresses; entry != nullptr && result.empty();
       entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr || entry->ifa_addr->sa_family != family) continue;
    if (interface != entry->ifa_name) continue;
    char text[INET6_ADDRSTRLEN] = "";
    if (family == AF_INET) {
      const auto* address = reinterpret_cast<const sockaddr_in*>(entry->ifa_addr);
      inet_ntop(family, &address->sin_addr, text, sizeof text);
    } else {
      const auto* address = reinterpret_cast<const sockaddr_in6*>(entry->ifa_addr);
      if (IN6_IS_ADDR_LINKLOCAL(&address->sin6_addr)) continue;
      inet_ntop(family, &address->sin6_addr, text, sizeof text);
    }
    result = text;
  }
  freeifaddrs(addresses);
  return result;
}

}  // namespace

absl::StatusOr<std::string> find_default_host() {
  if (std::string host = address_of(default_interface_v4(), AF_INET); !host.empty()) return host;
  if (std::string host = address_of(default_interface_v6(), AF_INET6); !host.empty()) return host;
  return absl::NotFoundError("could not find default host");
}

}  // namespace holdfast::os
