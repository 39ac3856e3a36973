#include "apps/holdfast/local_address.h"

#include <arpa/inet.h>

#include <cstring>
#include <optional>

namespace holdfast::config {
namespace {

struct Address {
  std::string text;
  bool usable = false;  // by other hosts
};

std::optional<Address> parse(const std::string& name) {
  in_addr v4{};
  in6_addr v6{};
  char text[INET6_ADDRSTRLEN];
  const auto usable = [](in_addr address) {
    const uint32_t number = ntohl(address.s_addr);
    return number != INADDR_ANY && number >> 24 != 127;
  };
  if (inet_pton(AF_INET, name.c_str(), &v4) == 1)
    return Address{inet_ntop(AF_INET, &v4, text, sizeof text), usable(v4)};
  if (inet_pton(AF_INET6, name.c_str(), &v6) != 1) return std::nullopt;
  inet_ntop(AF_INET6, &v6, text, sizeof text);
  if (!IN6_IS_ADDR_V4MAPPED(&v6)) return Address{text, !IN6_IS_ADDR_LOOPBACK(&v6) && !IN6_IS_ADDR_UNSPECIFIED(&v6)};
  std::memcpy(&v4, &v6.s6_addr[12], sizeof v4);
  return Address{text, usable(v4)};
}

}  // namespace

std::string find_local_address(const Config& config, Logger& log) {
  if (!config.feature_gates.enabled(Feature::set_member_local_addr)) return {};
  const std::vector<std::string> urls = url_texts(config.initial_advertise_peer_urls);
  log.info("searching for a suitable member local address in AdvertisePeerURLs", {{"advertise-peer-urls", urls}});
  for (const Url& url : config.initial_advertise_peer_urls) {
    const auto address = parse(url.hostname());
    if (!address || !address->usable) continue;
    log.info("setting member local address", {{"LocalAddr", address->text}});
    return address->text;
  }
  log.warn("unable to set a member local address due to lack of suitable local addresses",
           {{"advertise-peer-urls", urls}});
  return {};
}

}  // namespace holdfast::config
