#include "os/system_name_resolver.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>

#include <algorithm>
#include <memory>

#include "fmt/format.h"

namespace holdfast::os {

namespace {

// What a DNS message over TCP can hold.
constexpr size_t kAnswerBytesMax = 65535;

absl::Status not_found(std::string_view what, std::string_view why) {
  return absl::NotFoundError(fmt::format("lookup {}: {}", what, why));
}

std::string text_of(const sockaddr* address) {
  char text[INET6_ADDRSTRLEN] = {};
  if (address->sa_family == AF_INET) {
    inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(address)->sin_addr, text, sizeof text);
    return text;
  }
  inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr, text, sizeof text);
  return fmt::format("[{}]", text);  // as a URL has it
}

}  // namespace

absl::StatusOr<std::vector<std::string>> SystemNameResolver::addresses(const std::string& host) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int code = getaddrinfo(host.c_str(), nullptr, &hints, &found); code != 0)
    return not_found(host, gai_strerror(code));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owned(found, freeaddrinfo);
  std::vector<std::string> addresses;
  for (const addrinfo* a = found; a != nullptr; a = a->ai_next)
    if (a->ai_family == AF_INET || a->ai_family == AF_INET6)
      addresses.push_back(text_of(a->ai_addr));
  if (addresses.empty()) return not_found(host, "no such host");
  return addresses;
}

absl::StatusOr<std::vector<env::NameResolver::Service>> SystemNameResolver::services(
    const std::string& name) {
  struct __res_state state {};
  if (res_ninit(&state) != 0) return not_found(name, "the resolver can't be set up");
  const std::unique_ptr<struct __res_state, void (*)(res_state)> owned(
      &state, [](res_state s) { res_nclose(s); });
  std::vector<unsigned char> answer(kAnswerBytesMax);
  const int size = res_nquery(&state, name.c_str(), C_IN, T_SRV, answer.data(),
                              static_cast<int>(answer.size()));
  if (size < 0) return not_found(name, "no such host");
  auto services = parse_srv_answer(answer.data(), static_cast<size_t>(size));
  if (!services.ok()) return services.status();
  if (services->empty()) return not_found(name, "no such host");
  return services;
}

absl::StatusOr<std::vector<env::NameResolver::Service>> parse_srv_answer(
    const unsigned char* answer, size_t size) {
  ns_msg message;
  if (ns_initparse(answer, static_cast<int>(size), &message) != 0)
    return absl::DataLossError("the DNS answer can't be read");
  constexpr size_t kFixedBytes = 6;  // priority, weight, port
  std::vector<env::NameResolver::Service> services;
  for (int i = 0; i < ns_msg_count(message, ns_s_an); ++i) {
    ns_rr record;
    if (ns_parserr(&message, ns_s_an, i, &record) != 0)
      return absl::DataLossError("the DNS answer can't be read");
    if (ns_rr_type(record) != ns_t_srv || ns_rr_rdlen(record) <= kFixedBytes) continue;
    const unsigned char* data = ns_rr_rdata(record);
    char target[NS_MAXDNAME];
    if (ns_name_uncompress(ns_msg_base(message), ns_msg_end(message), data + kFixedBytes, target,
                           sizeof target) < 0)
      return absl::DataLossError("the DNS answer can't be read");
    services.push_back({.target = target,
                        .port = static_cast<uint16_t>(ns_get16(data + 4)),
                        .priority = static_cast<uint16_t>(ns_get16(data)),
                        .weight = static_cast<uint16_t>(ns_get16(data + 2))});
  }
  std::stable_sort(services.begin(), services.end(), [](const auto& a, const auto& b) {
    return a.priority != b.priority ? a.priority < b.priority : a.weight > b.weight;
  });
  return services;
}

}  // namespace holdfast::os
