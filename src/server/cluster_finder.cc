#include "server/cluster_finder.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/errors.h"
#include "fmt/format.h"
#include "fmt/ranges.h"
#include "membership/initial_cluster.h"
#include "membership/version.h"
#include "server/member_info.h"

namespace holdfast::server {

using membership::Member;
using membership::Version;

namespace {

// How long one peer URL is waited for: when founding, where nobody need be there; when joining.
constexpr env::Duration kBootstrapTimeout = std::chrono::seconds(1);
constexpr env::Duration kJoinTimeout = std::chrono::seconds(10);
// Names may not be known yet when machines start together.
constexpr env::Duration kResolveTimeout = std::chrono::seconds(30);
constexpr env::Duration kResolveRetry = std::chrono::seconds(1);

absl::Status failed(std::string_view text) {
  return make_status(absl::StatusCode::kFailedPrecondition, text);
}

bool has_duplicate_url(const membership::InitialCluster& cluster) {
  std::set<std::string> seen;
  for (const auto& [name, urls] : cluster)
    for (const std::string& url : urls)
      if (!seen.insert(url).second) return true;
  return false;
}

absl::Status check_initial_cluster(const MemberConfig& config) {
  if (!config.initial_cluster.contains(config.name))
    return failed(fmt::format("couldn't find local name \"{}\" in the initial cluster configuration",
                              config.name));
  if (has_duplicate_url(config.initial_cluster))
    return failed(fmt::format("initial cluster {} has duplicate url",
                              membership::to_string(config.initial_cluster)));
  return absl::OkStatus();
}

// --initial-advertise-peer-urls against this member's part of --initial-cluster, when they are not the same.
absl::Status not_advertised(const MemberConfig& config, const absl::Status& why) {
  const std::vector<std::string>& cluster = config.initial_cluster.at(config.name);
  const std::vector<std::string>& advertised = config.advertise_peer_urls;
  const auto missing = [](const auto& from, const auto& in) {
    std::vector<std::string> urls;
    for (const std::string& url : from)
      if (std::find(in.begin(), in.end(), url) == in.end()) urls.push_back(url);
    return urls;
  };
  if (auto urls = missing(cluster, advertised); !urls.empty()) {
    for (std::string& url : urls) url = config.name + '=' + url;
    return failed(fmt::format(
        "--initial-cluster has {} but missing from --initial-advertise-peer-urls={} ({})",
        fmt::join(urls, ","), fmt::join(advertised, ","), message(why)));
  }
  const std::string own = membership::to_string({{config.name, advertised}});
  if (auto urls = missing(advertised, cluster); !urls.empty())
    return failed(
        fmt::format("--initial-advertise-peer-urls has {} but missing from --initial-cluster={}",
                    fmt::join(urls, ","), own));
  return failed(fmt::format("failed to resolve {} to match --initial-cluster={} ({})",
                            fmt::join(advertised, ","), own, message(why)));
}

struct HostPort {
  std::string front;  // "http://"
  std::string host;   // without brackets
  std::string port;   // ":2380"
};
HostPort split(const std::string& url) {
  const size_t scheme = url.find("://");
  const size_t begin = scheme == std::string::npos ? 0 : scheme + 3;
  const size_t colon = url.rfind(':');
  HostPort parts{url.substr(0, begin), url.substr(begin, colon - begin),
                 colon == std::string::npos ? "" : url.substr(colon)};
  if (parts.host.starts_with('[')) parts.host = parts.host.substr(1, parts.host.size() - 2);
  return parts;
}

// With addresses in place of names. "localhost" and sockets stay as they are.
absl::StatusOr<std::vector<std::string>> resolved(env::NameResolver& names,
                                                  const std::vector<std::string>& urls) {
  std::vector<std::string> result;
  for (const std::string& url : urls) {
    const HostPort parts = split(url);
    if (parts.front.starts_with("unix") || parts.host == "localhost") {
      result.push_back(url);
      continue;
    }
    auto addresses = names.addresses(parts.host);
    if (!addresses.ok())
      return make_status(absl::StatusCode::kUnavailable,
                         fmt::format("failed to resolve \"{}\" ({})", url,
                                     message(addresses.status())));
    result.push_back(parts.front + addresses->front() + parts.port);
  }
  std::sort(result.begin(), result.end());
  return result;
}

// Unavailable if a name can't be resolved now.
absl::Status urls_equal(env::NameResolver& names, std::vector<std::string> a,
                        std::vector<std::string> b) {
  if (a.size() != b.size())
    return failed(fmt::format("len([{}]) != len([{}])", fmt::join(a, " "), fmt::join(b, " ")));
  std::sort(a.begin(), a.end());
  std::sort(b.begin(), b.end());
  if (a == b) return absl::OkStatus();
  auto left = resolved(names, a);
  if (!left.ok()) return left.status();
  auto right = resolved(names, b);
  if (!right.ok()) return right.status();
  for (size_t i = 0; i < left->size(); ++i)
    if ((*left)[i] != (*right)[i])
      return failed(fmt::format("resolved urls: \"{}\" != \"{}\"", (*left)[i], (*right)[i]));
  return absl::OkStatus();
}

ClusterId id_of(const std::vector<Member>& members) {
  std::vector<MemberId> ids;
  for (const Member& member : members) ids.push_back(member.id);
  return membership::cluster_id(std::move(ids));
}

// As Go prints etcd's RaftCluster.
std::string describe(const RemoteCluster::Membership& cluster) {
  std::map<MemberId, std::string> ordered;
  for (const Member& member : cluster.members)
    ordered[member.id] = fmt::format(
        "&{{ID:{} RaftAttributes:{{PeerURLs:[{}] IsLearner:{}}} Attributes:{{Name:{} ClientURLs:[{}]}}}}",
        hex_id(member.id.value), fmt::join(member.peer_urls, " "), member.is_learner, member.name,
        fmt::join(member.client_urls, " "));
  std::vector<std::string> members;
  for (auto& [id, text] : ordered) members.push_back(std::move(text));
  return fmt::format("{{ClusterID:{} Members:[{}] RemovedMemberIDs:[]}}",
                     hex_id(cluster.cluster.value), fmt::join(members, " "));
}

}  // namespace

absl::Status verify_founding(env::NameResolver& names, const MemberConfig& config) {
  if (absl::Status s = check_initial_cluster(config); !s.ok()) return s;
  absl::Status equal = urls_equal(names, config.advertise_peer_urls, config.initial_cluster.at(config.name));
  return equal.ok() ? equal : not_advertised(config, equal);
}

ClusterFinder::ClusterFinder(Parts parts, const MemberConfig& config)
    : parts_(parts), config_(config) {}

void ClusterFinder::find(Done done) {
  parts_.executor.post([this, done = std::move(done)]() mutable {
    done_ = std::move(done);
    if (absl::Status s = check_initial_cluster(config_); !s.ok()) return finish(std::move(s));
    auto members =
        membership::founding_members(config_.initial_cluster, config_.initial_cluster_token);
    if (!members.ok()) return finish(members.status());
    members_ = *std::move(members);
    if (config_.initial_cluster_state == ClusterState::existing) return join();
    found();
  });
}

void ClusterFinder::finish(absl::StatusOr<ClusterOrigin> origin) {
  std::exchange(done_, nullptr)(std::move(origin));
}

const Member& ClusterFinder::self() const {
  return *std::find_if(members_.begin(), members_.end(),
                       [&](const Member& m) { return m.name == config_.name; });
}

std::vector<std::string> ClusterFinder::urls_of_others() const {
  std::vector<std::string> urls;
  for (const Member& member : members_)
    if (member.name != config_.name)
      urls.insert(urls.end(), member.peer_urls.begin(), member.peer_urls.end());
  std::sort(urls.begin(), urls.end());
  return urls;
}

void ClusterFinder::ask_members(
    std::vector<std::string> urls, size_t next, env::Duration timeout,
    UniqueFunction<void(absl::StatusOr<RemoteCluster::Membership>)> done) {
  if (parts_.remote == nullptr || next >= urls.size())
    return done(failed("could not retrieve cluster information from the given URLs"));
  const RemoteCluster::Request request{urls[next], timeout, &parts_.executor};
  parts_.remote->get_members(
      request, [this, urls = std::move(urls), next, timeout, done = std::move(done)](
                   absl::StatusOr<RemoteCluster::Membership> cluster) mutable {
        if (!cluster.ok()) {
          if (config_.initial_cluster_state == ClusterState::existing)
            parts_.log.warn("failed to get cluster response", {{"address", urls[next] + "/members"},
                                                               {"error", message(cluster.status())}});
          return ask_members(std::move(urls), next + 1, timeout, std::move(done));
        }
        if (cluster->members.empty())
          return done(failed("failed to get raft cluster member(s) from the given URLs"));
        done(std::move(cluster));
      });
}

void ClusterFinder::compare_urls(std::vector<std::string> a, std::vector<std::string> b,
                                 env::Instant deadline, Next next) {
  absl::Status status = urls_equal(parts_.names, a, b);
  if (status.code() != absl::StatusCode::kUnavailable ||
      parts_.executor.now() + kResolveRetry > deadline)
    return next(std::move(status));
  parts_.log.warn("failed to resolve URL Host", {{"error", message(status)}});
  parts_.executor.post_after(
      kResolveRetry, [this, a = std::move(a), b = std::move(b), deadline,
                      next = std::move(next)]() mutable {
        compare_urls(std::move(a), std::move(b), deadline, std::move(next));
      });
}

// --- a new cluster ---

void ClusterFinder::found() {
  compare_urls(config_.advertise_peer_urls, config_.initial_cluster.at(config_.name),
               parts_.executor.now() + kResolveTimeout, [this](absl::Status equal) {
                 if (!equal.ok()) return finish(not_advertised(config_, equal));
                 ask_bootstrapped();
               });
}

// MEM-12: a member whose disk was lost must not vote again as if nothing had been.
void ClusterFinder::ask_bootstrapped() {
  ask_members(urls_of_others(), 0, kBootstrapTimeout,
              [this](absl::StatusOr<RemoteCluster::Membership> cluster) {
                if (cluster.ok())
                  for (const Member& member : cluster->members)
                    if (member.id == self().id && !member.client_urls.empty())
                      return finish(failed(fmt::format("member {} has already been bootstrapped",
                                                       hex_id(member.id.value))));
                discover();
              });
}

void ClusterFinder::discover() {
  const auto found_with = [this](MemberId own) {
    finish(ClusterOrigin{.kind = ClusterOrigin::Kind::founded,
                         .self = own,
                         .cluster = id_of(members_),
                         .members = members_});
  };
  const MemberId own = self().id;
  if (parts_.discovery == nullptr) return found_with(own);
  parts_.log.info("Bootstrapping cluster using v3 discovery.");
  parts_.discovery->join(
      own, membership::to_string(config_.initial_cluster), parts_.executor,
      [this, own, found_with](absl::StatusOr<std::string> text) {
        if (!text.ok())
          return finish(failed(
              fmt::format("failed to join discovery cluster ({})", message(text.status()))));
        auto cluster = membership::parse_initial_cluster(*text);
        if (!cluster.ok()) return finish(cluster.status());
        if (has_duplicate_url(*cluster))
          return finish(failed(fmt::format("discovery cluster {} has duplicate url",
                                           membership::to_string(*cluster))));
        auto members = membership::founding_members(*cluster, config_.initial_cluster_token);
        if (!members.ok()) return finish(members.status());
        members_ = *std::move(members);
        found_with(own);
      });
}

// --- a cluster that is there ---

void ClusterFinder::join() {
  if (parts_.discovery != nullptr)
    return finish(
        failed("discovery URL should not be set when joining existing initial cluster"));
  ask_membership();
}

void ClusterFinder::ask_membership() {
  ask_members(urls_of_others(), 0, kJoinTimeout,
              [this](absl::StatusOr<RemoteCluster::Membership> cluster) {
                if (!cluster.ok())
                  return finish(failed(fmt::format("cannot fetch cluster info from peer urls: {}",
                                                   message(cluster.status()))));
                existing_ = *std::move(cluster);
                if (existing_.members.size() != members_.size())
                  return finish(
                      failed(fmt::format("error validating peerURLs {}: member count is unequal",
                                         describe(existing_))));
                std::vector<size_t> free(members_.size());
                for (size_t i = 0; i < free.size(); ++i) free[i] = i;
                match(0, std::move(free));
              });
}

// Gives the flags' member with the same URLs the id of the cluster's member at `existing`, then goes on with the next.
void ClusterFinder::match(size_t existing, std::vector<size_t> free) {
  if (existing == existing_.members.size()) return check_compatible();
  const Member& member = existing_.members[existing];
  absl::Status last;
  for (size_t i = 0; i < free.size(); ++i) {
    Member& candidate = members_[free[i]];
    absl::Status equal = urls_equal(parts_.names, member.peer_urls, candidate.peer_urls);
    if (equal.ok()) {
      candidate.id = member.id;
      candidate.is_learner = false;  // the log will tell
      free.erase(free.begin() + static_cast<ptrdiff_t>(i));
      return match(existing + 1, std::move(free));
    }
    last = std::move(equal);
  }
  const auto refuse = [this, member](const absl::Status& why) {
    finish(failed(fmt::format(
        "error validating peerURLs {}: PeerURLs: no match found for existing member ({}, [{}]), "
        "last resolver error ({})",
        describe(existing_), hex_id(member.id.value), fmt::join(member.peer_urls, " "),
        message(why))));
  };
  if (free.empty() || last.code() != absl::StatusCode::kUnavailable) return refuse(last);
  // A name could not be resolved: wait until it can, then look again.
  const std::vector<std::string> candidate = members_[free.back()].peer_urls;
  compare_urls(member.peer_urls, candidate, parts_.executor.now() + kResolveTimeout,
               [this, existing, free = std::move(free), refuse](absl::Status equal) mutable {
                 if (equal.code() == absl::StatusCode::kUnavailable) return refuse(equal);
                 match(existing, std::move(free));
               });
}

void ClusterFinder::check_compatible() {
  std::sort(members_.begin(), members_.end(),
            [](const Member& a, const Member& b) { return a.id < b.id; });
  std::vector<Member> others;
  for (const Member& member : members_)
    if (member.name != config_.name) others.push_back(member);
  const VersionSurvey survey{parts_.executor, parts_.remote, parts_.log, config_.request_timeout()};
  survey.ask(others, [this](MemberVersions versions) {
    versions_ = std::move(versions);
    ask_downgrading(0);
  });
}

void ClusterFinder::ask_downgrading(size_t next) {
  const std::vector<std::string> urls = urls_of_others();
  if (parts_.remote == nullptr || next >= urls.size()) return check_versions(false);
  parts_.remote->is_downgrading(
      {urls[next], config_.request_timeout(), &parts_.executor},
      [this, next](absl::StatusOr<bool> downgrading) {
        if (downgrading.ok()) return check_versions(*downgrading);
        ask_downgrading(next + 1);
      });
}

void ClusterFinder::check_versions(bool downgrading) {
  if (!is_compatible(versions_, downgrading, parts_.log))
    return finish(failed("incompatible with current running cluster"));
  const auto learners = std::count_if(existing_.members.begin(), existing_.members.end(),
                                      [](const Member& m) { return m.is_learner; });
  if (learners > config_.max_learners)
    return finish(failed("membership: too many learner members in cluster"));
  finish(ClusterOrigin{.kind = ClusterOrigin::Kind::joined,
                       .self = self().id,
                       .cluster = existing_.cluster,
                       .members = members_,
                       .remotes = existing_.members});
}

bool is_compatible(const MemberVersions& versions, bool downgrading, Logger& log) {
  Version lowest{3, 0, 0, {}};
  Version highest = membership::parse_version(kEtcdVersion)->without_patch();
  if (downgrading) lowest = highest = Version{highest.major, highest.minor + 1, 0, {}};
  bool any = false;
  for (const auto& [id, answer] : versions) {
    if (!answer) continue;
    const auto cluster = membership::parse_version(answer->cluster);
    if (!cluster) {
      log.warn("failed to parse cluster version of remote member",
               {{"remote-member-id", id}, {"remote-member-cluster-version", answer->cluster}});
      continue;
    }
    if (*cluster < lowest || highest < *cluster) {
      log.warn(*cluster < lowest
                   ? "cluster version of remote member is not compatible; too low"
                   : "cluster version of remote member is not compatible; too high",
               {{"remote-member-id", id},
                {"remote-member-cluster-version", cluster->to_string()},
                {"minimum-cluster-version-supported", lowest.to_string()},
                {"maximum-cluster-version-supported", highest.to_string()}});
      return false;
    }
    any = true;
  }
  return any;
}

}  // namespace holdfast::server
