#include "server/v3_discovery.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/errors.h"
#include "fmt/format.h"
#include "fmt/ranges.h"
#include "membership/initial_cluster.h"

namespace holdfast::server {

namespace {

constexpr std::string_view kRegistry = "/_etcd/registry";
// The pauses double up to this many times, to 256 s (OPS-03).
constexpr int kDoublingsMax = 8;

absl::Status failed(std::string_view text) {
  return make_status(absl::StatusCode::kFailedPrecondition, text);
}

// As Go's path.Join: what a token with slashes means must be the same for all members.
std::string join_path(std::string_view base, std::string_view tail) {
  std::vector<std::string> parts;
  const std::string all = fmt::format("{}/{}", base, tail);
  for (size_t from = 0; from < all.size();) {
    const size_t slash = std::min(all.find('/', from), all.size());
    const std::string part = all.substr(from, slash - from);
    from = slash + 1;
    if (part.empty() || part == ".") continue;
    if (part != "..") parts.push_back(part);
    else if (!parts.empty()) parts.pop_back();
  }
  return fmt::format("/{}", fmt::join(parts, "/"));
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n\v\f";
  const size_t from = text.find_first_not_of(kSpace);
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(kSpace) - from + 1);
}

// 0 for what is no size.
size_t parse_size(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  int64_t size = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), size);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || size <= 0) return 0;
  return static_cast<size_t>(size);
}

}  // namespace

V3Discovery::V3Discovery(DiscoveryStore& store, Logger& log, std::string token,
                         std::vector<std::string> endpoints)
    : store_(store), log_(log), token_(std::move(token)), endpoints_(std::move(endpoints)) {
  const std::string cluster = join_path(kRegistry, token_);
  size_key_ = join_path(cluster, "_config/size");
  members_prefix_ = join_path(cluster, "members");
}

std::string V3Discovery::member_key() const { return join_path(members_prefix_, hex_id(self_.value)); }

void V3Discovery::join(MemberId self, const std::string& own_urls, env::Executor& executor,
                       UniqueFunction<void(absl::StatusOr<std::string>)> done) {
  self_ = self;
  own_urls_ = own_urls;
  executor_ = &executor;
  done_ = std::move(done);
  store_.open(executor, [this](absl::Status opened) {
    if (!opened.ok()) return finish(std::move(opened));
    // Full already? Then nothing is written.
    check_cluster([this] { register_self([this] { check_cluster([this] { wait_for_members(); }); }); });
  });
}

void V3Discovery::finish(absl::StatusOr<std::string> result) {
  if (result.ok()) {
    log_.info("discovery joined cluster successfully", {{"discovery-token", token_},
                                                        {"discovery-endpoints", endpoints_},
                                                        {"cluster", *result}});
  } else {
    log_.error("discovery failed to join cluster", {{"discovery-token", token_},
                                                    {"discovery-endpoints", endpoints_},
                                                    {"error", message(result.status())}});
    log_.warn("failed to bootstrap; discovery token was already used", {{"discovery-token", token_},
                                                                        {"discovery-endpoints", endpoints_}});
    log_.warn("do not reuse discovery token; generate a new one to bootstrap a cluster");
  }
  std::exchange(done_, nullptr)(std::move(result));
}

void V3Discovery::warn(std::string_view text, const std::string& key, const absl::Status& why) {
  log_.warn(text, {{"discovery-token", token_}, {"key", key}, {"error", message(why)}});
}

void V3Discovery::retry(std::string_view step, Next again) {
  retries_ = std::min(retries_ + 1, kDoublingsMax);
  const env::Duration pause = std::chrono::seconds(1) * (1 << retries_);
  log_.warn("retry connecting to discovery service",
            {{"reason", step}, {"backoff-seconds", int64_t{1} << retries_}});
  executor_->post_after(pause, std::move(again));
}

// --- who is there ---

void V3Discovery::check_cluster(Next next) {
  store_.get(size_key_, [this, next = std::move(next)](absl::StatusOr<DiscoveryStore::Answer> answer) mutable {
    if (!answer.ok()) {
      warn("failed to get cluster size from discovery service", size_key_, answer.status());
      return retry("cluster status check",
                   [this, next = std::move(next)]() mutable { check_cluster(std::move(next)); });
    }
    if (answer->pairs.empty()) return finish(failed("discovery: size key not found"));
    size_ = parse_size(answer->pairs.front().value);
    if (size_ == 0) return finish(failed("discovery: size key is bad"));
    ask_members(std::move(next));
  });
}

void V3Discovery::ask_members(Next next) {
  store_.get_prefix(members_prefix_, [this, next = std::move(next)](
                                         absl::StatusOr<DiscoveryStore::Answer> answer) mutable {
    if (!answer.ok()) {
      warn("failed to get cluster members from discovery service", members_prefix_, answer.status());
      return retry("cluster status check",
                   [this, next = std::move(next)]() mutable { check_cluster(std::move(next)); });
    }
    retries_ = 0;
    members_.clear();
    revision_ = answer->revision;
    for (const DiscoveryStore::Pair& pair : answer->pairs) add(pair);
    if (is_full_without_self()) return finish(failed("discovery: cluster is full"));
    next();
  });
}

bool V3Discovery::is_full_without_self() const {
  const auto end = members_.begin() + static_cast<ptrdiff_t>(std::min(size_, members_.size()));
  return members_.size() >= size_ && std::none_of(members_.begin(), end, [key = member_key()](const Registered& m) {
           return m.key == key;
         });
}

void V3Discovery::add(const DiscoveryStore::Pair& pair) {
  const std::string key(trimmed(pair.key)), urls(trimmed(pair.value));
  const auto say = [&](LogLevel level, std::string_view text) {
    if (log_.enabled(level))
      log_.write(level, text, {{"memberKey", key}, {"memberInfo", urls}}, __FILE__, __LINE__);
  };
  if (urls.find('=') == std::string::npos)
    return say(LogLevel::warn, "invalid peer info returned from discovery service");
  if (std::any_of(members_.begin(), members_.end(), [&](const Registered& m) { return m.key == key; }))
    return say(LogLevel::warn, "found duplicate peer from discovery service");
  const auto place = std::find_if(members_.begin(), members_.end(), [&](const Registered& m) {
    return m.create_revision > pair.create_revision;
  });
  members_.insert(place, {key, urls, pair.create_revision});
  say(LogLevel::info, "found peer from discovery service");
}

void V3Discovery::register_self(Next next) {
  store_.put(member_key(), own_urls_, [this, next = std::move(next)](absl::Status status) mutable {
    if (!status.ok()) {
      warn("failed to register members itself to the discovery service", member_key(), status);
      return retry("register member itself",
                   [this, next = std::move(next)]() mutable { register_self(std::move(next)); });
    }
    retries_ = 0;
    log_.info("register member itself successfully", {{"memberKey", member_key()}, {"memberInfo", own_urls_}});
    next();
  });
}

// --- until all are there ---

void V3Discovery::wait_for_members() {
  if (complete()) return finish();
  log_.info("waiting for peers from discovery service",
            {{"clusterSize", static_cast<uint64_t>(size_)}, {"found-peers", static_cast<uint64_t>(members_.size())}});
  watch_members();
}

void V3Discovery::watch_members() {
  store_.watch(
      members_prefix_, revision_ + 1,
      [this](std::vector<DiscoveryStore::Pair> pairs) {
        retries_ = 0;
        for (const DiscoveryStore::Pair& pair : pairs) add(pair);
        if (!complete()) return;
        store_.stop_watching();
        finish();
      },
      // Lost, or its revision is compacted: everything anew.
      [this](absl::Status why) {
        warn("the watch on the discovery service ended", members_prefix_, why);
        retry("watching members", [this] { check_cluster([this] { wait_for_members(); }); });
      });
}

void V3Discovery::finish() {
  log_.info("found all needed peers from discovery service",
            {{"clusterSize", static_cast<uint64_t>(size_)}, {"found-peers", static_cast<uint64_t>(members_.size())}});
  std::vector<std::string> urls;
  for (size_t i = 0; i < size_; ++i) urls.push_back(members_[i].urls);
  std::string cluster = fmt::format("{}", fmt::join(urls, ","));
  if (!membership::parse_initial_cluster(cluster).ok()) return finish(failed("discovery: invalid peer URL"));
  finish(std::move(cluster));
}

}  // namespace holdfast::server
