#include "server/dns_cluster.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/errors.h"
#include "fmt/format.h"
#include "fmt/ranges.h"

namespace holdfast::server {

namespace {

absl::Status failed(std::string_view text) { return make_status(absl::StatusCode::kFailedPrecondition, text); }

// "address:port", the IPv4 address where there is one, as Go's ResolveTCPAddr has it.
absl::StatusOr<std::string> resolve(env::NameResolver& names, std::string host, std::string_view port) {
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  auto addresses = names.addresses(host);
  if (!addresses.ok()) return addresses.status();
  const auto v4 = std::find_if(addresses->begin(), addresses->end(),
                               [](const std::string& a) { return a.find(':') == std::string::npos; });
  return fmt::format("{}:{}", v4 == addresses->end() ? addresses->front() : *v4, port);
}

// Resolved address to URL.
absl::StatusOr<std::map<std::string, std::string>> own_addresses(env::NameResolver& names,
                                                                 const std::vector<std::string>& advertised) {
  std::map<std::string, std::string> own;
  for (const std::string& url : advertised) {
    const std::string host = url.substr(url.find("://") + 3);
    const size_t colon = host.rfind(':');
    if (colon == std::string::npos) return failed(fmt::format("address {}: missing port in address", host));
    auto address = resolve(names, host.substr(0, colon), host.substr(colon + 1));
    if (!address.ok()) return address.status();
    own[*address] = url;
  }
  return own;
}

struct Service {
  std::string scheme;
  std::string name;  // "etcd-server-ssl-suffix"
};

absl::StatusOr<std::vector<std::string>> members_of(env::NameResolver& names, const Service& service,
                                                    const std::string& domain, const std::string& own_name,
                                                    const std::vector<std::string>& advertised) {
  auto own = own_addresses(names, advertised);
  if (!own.ok()) return own.status();
  const auto none = [&](const absl::Status& why) {
    return failed(fmt::format("error querying DNS SRV records for _{} {}", service.name, message(why)));
  };
  auto records = names.services(fmt::format("_{}._tcp.{}", service.name, domain));
  if (!records.ok()) return none(records.status());
  std::vector<std::string> members;
  absl::Status last;
  int unnamed = 0;
  for (const env::NameResolver::Service& record : *records) {
    std::string host = record.target;
    if (host.ends_with('.')) host.pop_back();
    auto address = resolve(names, host, fmt::format("{}", record.port));
    if (!address.ok()) {
      last = address.status();
      continue;
    }
    const std::string url = fmt::format("{}://{}:{}", service.scheme, host, record.port);
    const auto mine = own->find(*address);
    if (mine != own->end() && !mine->second.starts_with(service.scheme + "://")) {
      last = failed(fmt::format("bootstrap at {} from DNS for {} has scheme mismatch with expected peer {}", url,
                                service.name, mine->second));
      continue;
    }
    members.push_back(fmt::format("{}={}", mine != own->end() ? own_name : fmt::format("{}", unnamed++), url));
  }
  if (members.empty() && !last.ok()) return none(last);
  return members;
}

}  // namespace

absl::StatusOr<std::string> initial_cluster_from_dns(env::NameResolver& names, Logger& log,
                                                     const std::string& domain, const std::string& suffix,
                                                     const std::string& name,
                                                     const std::vector<std::string>& advertised) {
  std::vector<std::string> members;
  std::vector<std::string> errors;
  for (const auto& [scheme, base] :
       {std::pair<std::string, std::string>{"https", "etcd-server-ssl"}, {"http", "etcd-server"}}) {
    const Service service{scheme, suffix.empty() ? base : base + '-' + suffix};
    auto found = members_of(names, service, domain, name, advertised);
    if (!found.ok()) errors.emplace_back(message(found.status()));
    log.info(fmt::format("get cluster for {} SRV", base),
             {{"service-scheme", scheme},
              {"service-name", service.name},
              {"server-name", name},
              {"discovery-srv", domain},
              {"advertise-peer-urls", advertised},
              {"found-cluster", found.ok() ? *found : std::vector<std::string>()},
              {"error", found.ok() ? "" : message(found.status())}});
    if (found.ok()) members.insert(members.end(), found->begin(), found->end());
  }
  const std::string why = fmt::format("{}", fmt::join(errors, "\n"));
  if (!errors.empty()) log.warn("failed to resolve during SRV discovery", {{"error", why}});
  if (members.empty()) return failed(why);
  for (const std::string& member : members) log.info("got bootstrap from DNS for etcd-server", {{"node", member}});
  const bool has_self = std::any_of(members.begin(), members.end(), [&](const std::string& member) {
    return member.starts_with(name + '=');
  });
  if (!has_self) return failed(fmt::format("cannot find local etcd member \"{}\" in SRV records", name));
  return fmt::format("{}", fmt::join(members, ","));
}

}  // namespace holdfast::server
