#include "membership/initial_cluster.h"

#include <algorithm>

#include "base/errors.h"
#include "base/log.h"
#include "base/text.h"
#include "fmt/format.h"

namespace holdfast::membership {

namespace {

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n\v\f";
  const size_t from = text.find_first_not_of(kSpace);
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(kSpace) - from + 1);
}

absl::Status invalid(std::string_view text) {
  return make_status(absl::StatusCode::kInvalidArgument, text);
}

// As Go's net.SplitHostPort: one colon outside of brackets.
bool is_host_and_port(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return false;
  const std::string_view host = text.substr(0, colon);
  if (host.starts_with('[')) return host.find(']') == host.size() - 1;
  return host.find_first_of(":[]") == std::string_view::npos &&
         text.substr(colon).find_first_of("[]") == std::string_view::npos;
}

// In lower case, as Go prints it.
std::string scheme_of(std::string_view url) {
  const size_t end = url.find(':');
  return ascii_lower(url.substr(0, end == std::string_view::npos ? 0 : end));
}

absl::Status check_url(std::string_view url) {
  const std::string scheme = scheme_of(url);
  if (scheme == "unix" || scheme == "unixs") return absl::OkStatus();
  if (scheme != "http" && scheme != "https")
    return invalid(fmt::format("URL scheme must be http, https, unix, or unixs: {}", url));
  std::string_view rest = url.substr(scheme.size() + 1);
  std::string_view host;
  if (rest.starts_with("//")) {
    rest.remove_prefix(2);
    host = rest.substr(0, rest.find_first_of("/?#"));
    rest.remove_prefix(host.size());
    if (const size_t at = host.rfind('@'); at != std::string_view::npos)
      host.remove_prefix(at + 1);
  }
  if (!is_host_and_port(host))
    return invalid(fmt::format("URL address does not have the form \"host:port\": {}", url));
  const std::string_view port = host.substr(host.rfind(':') + 1);
  if (port.find_first_not_of("0123456789") != std::string_view::npos)
    return invalid(fmt::format("parse \"{}\": invalid port \":{}\" after host", url, port));
  if (rest.starts_with('/')) return invalid(fmt::format("URL must not contain a path: {}", url));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<std::string>> parse_urls(const std::vector<std::string>& urls) {
  if (urls.empty()) return invalid("no valid URLs given");
  std::vector<std::string> parsed;
  for (const std::string& url : urls) {
    const std::string_view text = trimmed(url);
    if (absl::Status status = check_url(text); !status.ok()) return status;
    const std::string scheme = scheme_of(text);
    parsed.push_back(scheme + std::string(text.substr(scheme.size())));
  }
  std::sort(parsed.begin(), parsed.end());
  return parsed;
}

absl::StatusOr<InitialCluster> parse_initial_cluster(std::string_view text) {
  std::map<std::string, std::vector<std::string>> raw;
  while (!text.empty()) {
    const size_t comma = text.find(',');
    const std::string_view pair = text.substr(0, comma);
    text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
    if (pair.empty()) continue;
    const size_t equals = pair.find('=');
    raw[std::string(pair.substr(0, equals))].emplace_back(
        equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1));
  }
  InitialCluster cluster;
  for (const auto& [name, urls] : raw) {
    auto parsed = parse_urls(urls);
    if (!parsed.ok()) return parsed.status();
    cluster[name] = *std::move(parsed);
  }
  return cluster;
}

std::string to_string(const InitialCluster& cluster) {
  std::vector<std::string> pairs;
  for (const auto& [name, urls] : cluster)
    for (const std::string& url : urls) pairs.push_back(fmt::format("{}={}", name, url));
  std::sort(pairs.begin(), pairs.end());
  return fmt::format("{}", fmt::join(pairs, ","));
}

absl::StatusOr<std::vector<Member>> founding_members(const InitialCluster& cluster,
                                                     std::string_view token) {
  std::map<MemberId, Member> by_id;
  for (const auto& [name, urls] : cluster) {
    Member member{.id = member_id(urls, token), .peer_urls = urls, .name = name};
    if (!member.id) return invalid("cannot use 0 as member id");
    if (auto it = by_id.find(member.id); it != by_id.end())
      return invalid(fmt::format("member exists with identical ID {} ({} and {})",
                                 hex_id(member.id.value), it->second.name, name));
    by_id[member.id] = std::move(member);
  }
  std::vector<Member> members;
  for (auto& [id, member] : by_id) members.push_back(std::move(member));
  return members;
}

std::vector<raft::Peer> bootstrap_peers(const std::vector<Member>& members) {
  std::vector<raft::Peer> peers;
  for (const Member& member : members)
    peers.push_back({member.id, SharedBytes(to_json(member))});
  std::sort(peers.begin(), peers.end(),
            [](const raft::Peer& a, const raft::Peer& b) { return a.id < b.id; });
  return peers;
}

}  // namespace holdfast::membership
