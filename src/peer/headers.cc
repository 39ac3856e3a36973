#include "peer/headers.h"

#include <charconv>

#include "fmt/format.h"
#include "membership/version.h"
#include "server/member_info.h"

namespace holdfast::peer {

namespace {

using membership::Version;

// A member that says nothing is taken for etcd 2.0; one that says something unreadable is refused, where etcd panics.
Version version_field(const net::HttpRequest& request, std::string_view name) {
  const std::string_view text = request.field(name).value_or("2.0.0");
  return membership::parse_version(text).value_or(Version{});
}

bool older(const Version& a, const Version& b) {
  return a.major != b.major ? a.major < b.major : a.minor < b.minor;
}

}  // namespace

net::HttpFields introduction(const Identity& self) {
  net::HttpFields fields = {{"X-Server-From", hex_id(self.member.value)},
                            {"X-Server-Version", std::string(server::kEtcdVersion)},
                            {"X-Min-Cluster-Version", std::string(kMinClusterVersion)},
                            {"X-Etcd-Cluster-ID", hex_id(self.cluster.value)}};
  if (!self.peer_urls.empty()) {
    std::string urls;
    for (const std::string& url : self.peer_urls) {
      if (!urls.empty()) urls += ',';
      urls += url;
    }
    fields.emplace_back("X-PeerURLs", std::move(urls));
  }
  return fields;
}

std::optional<uint64_t> parse_hex_id(std::string_view text) {
  uint64_t id = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), id, 16);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return std::nullopt;
  return id;
}

std::optional<std::string_view> refusal(const net::HttpRequest& request, const Identity& self,
                                        Logger& log) {
  const Version local = *membership::parse_version(server::kEtcdVersion);
  const Version local_min = *membership::parse_version(kMinClusterVersion);
  const Version remote = version_field(request, "X-Server-Version");
  const Version remote_min = version_field(request, "X-Min-Cluster-Version");
  const std::string name(request.field("X-Server-From").value_or(""));
  const bool remote_too_low = older(remote, local_min);
  if (remote_too_low || older(local, remote_min)) {
    log.warn("failed version compatibility check",
             {{"local-member-id", self.member},
              {"local-member-cluster-id", self.cluster},
              {"local-member-server-version", local.to_string()},
              {"local-member-server-minimum-cluster-version", local_min.to_string()},
              {"remote-peer-server-name", name},
              {"remote-peer-server-version", remote.to_string()},
              {"remote-peer-server-minimum-cluster-version", remote_min.to_string()},
              {"error", fmt::format("{} version is too low: remote[{}]={}, local={}",
                                    remote_too_low ? "remote" : "local", name, remote.to_string(),
                                    local.to_string())}});
    return kIncompatibleVersion;
  }
  const std::string_view cluster = request.field("X-Etcd-Cluster-ID").value_or("");
  if (cluster != hex_id(self.cluster.value)) {
    log.warn("request cluster ID mismatch",
             {{"local-member-id", self.member},
              {"local-member-cluster-id", self.cluster},
              {"local-member-server-version", local.to_string()},
              {"local-member-server-minimum-cluster-version", local_min.to_string()},
              {"remote-peer-server-name", name},
              {"remote-peer-server-version", remote.to_string()},
              {"remote-peer-server-minimum-cluster-version", remote_min.to_string()},
              {"remote-peer-cluster-id", cluster}});
    return kClusterIdMismatch;
  }
  return std::nullopt;
}

std::vector<std::string> peer_urls_of(const net::HttpRequest& request) {
  std::vector<std::string> urls;
  std::string_view rest = request.field("X-PeerURLs").value_or("");
  while (!rest.empty()) {
    const size_t comma = rest.find(',');
    urls.emplace_back(rest.substr(0, comma));
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
  }
  return urls;
}

std::optional<Introduction> introduced(const net::HttpRequest& request) {
  const auto from = parse_hex_id(request.field("X-Server-From").value_or(""));
  std::vector<std::string> urls = peer_urls_of(request);
  if (!from || urls.empty()) return std::nullopt;
  return Introduction{MemberId(*from), std::move(urls)};
}

}  // namespace holdfast::peer
