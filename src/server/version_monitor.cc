#include "server/version_monitor.h"

#include <algorithm>
#include <charconv>

#include "base/errors.h"
#include "fmt/format.h"
#include "membership.pb.h"

namespace holdfast::server {

namespace {
constexpr env::Duration kInterval = std::chrono::seconds(4);
constexpr const char* kFirstVersion = "3.0.0";

struct MajorMinor {
  int major = 0;
  int minor = 0;
  auto operator<=>(const MajorMinor&) const = default;
};

std::optional<MajorMinor> parse(std::string_view text) {
  MajorMinor v;
  const char* end = text.data() + text.size();
  auto major = std::from_chars(text.data(), end, v.major);
  if (major.ec != std::errc() || major.ptr == end || *major.ptr != '.') return std::nullopt;
  auto minor = std::from_chars(major.ptr + 1, end, v.minor);
  if (minor.ec != std::errc()) return std::nullopt;
  return v;
}
}  // namespace

std::optional<std::string> lowest_version(const VersionMonitor::Versions& versions) {
  std::optional<MajorMinor> lowest;
  for (const std::optional<std::string>& text : versions) {
    const std::optional<MajorMinor> v = text ? parse(*text) : std::nullopt;
    if (!v) return std::nullopt;
    lowest = lowest ? std::min(*lowest, *v) : *v;
  }
  if (!lowest) return std::nullopt;
  return fmt::format("{}.{}.0", lowest->major, lowest->minor);
}

bool version_less(std::string_view a, std::string_view b) {
  return parse(a).value_or(MajorMinor{}) < parse(b).value_or(MajorMinor{});
}

VersionMonitor::VersionMonitor(Parts parts) : parts_(std::move(parts)) {}

VersionMonitor::~VersionMonitor() { parts_.executor.cancel(timer_); }

void VersionMonitor::start() {
  parts_.executor.post([this] {
    timer_ = parts_.executor.post_after(kInterval, [this] { check(); });
  });
}

void VersionMonitor::stop() {
  parts_.executor.post([this] {
    stopped_ = true;
    parts_.executor.cancel(std::exchange(timer_, 0));
  });
}

void VersionMonitor::check_soon() {
  parts_.executor.post([this] { check(); });
}

void VersionMonitor::check() {
  if (stopped_) return;
  parts_.executor.cancel(timer_);
  timer_ = parts_.executor.post_after(kInterval, [this] { check(); });
  if (busy_ || !parts_.is_leader()) return;
  busy_ = true;
  parts_.ask([this](Versions versions) {
    busy_ = false;
    if (!stopped_) decide(versions);
  });
}

void VersionMonitor::decide(const Versions& versions) {
  const std::string current = parts_.cluster_version();
  const std::optional<std::string> lowest = lowest_version(versions);
  if (current.empty()) {
    propose(lowest.value_or(kFirstVersion));
  } else if (lowest && version_less(current, *lowest)) {
    propose(*lowest);
  }
}

void VersionMonitor::propose(const std::string& version) {
  membershippb::ClusterVersionSetRequest request;
  request.set_ver(version);
  busy_ = true;
  parts_.proposer.propose(
      {.reply_on = &parts_.executor}, Command::cluster_version_set, request.SerializeAsString(),
      [this, version](std::unique_ptr<apply::Result> result) {
        busy_ = false;
        if (result->status.ok()) {
          parts_.log.info("cluster version is updated", {{"cluster-version", version}});
        } else {
          parts_.log.warn("failed to update cluster version",
                          {{"error", message(result->status)}});
        }
      });
}

}  // namespace holdfast::server
