#include "server/downgrades.h"

#include <algorithm>

#include "base/errors.h"
#include "membership.pb.h"

namespace holdfast::server {

using membership::Version;

namespace {

// The first cluster version whose members all read the request that enables a downgrade.
const Version kFirstWithDowngrade{3, 5, 0, {}};

std::string set_request(bool enabled, const std::string& target) {
  membershippb::DowngradeInfoSetRequest request;
  request.set_enabled(enabled);
  request.set_ver(target);
  return request.SerializeAsString();
}

}  // namespace

absl::StatusOr<std::string> Downgrades::cluster_version() const {
  const auto cluster = parts_.member.cluster();
  if (!cluster->version()) return error(EtcdError::cluster_version_unavailable);
  return cluster->version()->major_minor();
}

// The target's version if the cluster may go there now. The linearizable read makes sure that a downgrade just enabled
// is seen.
void Downgrades::check(const CallContext& context, const std::string& target,
                       UniqueFunction<void(absl::StatusOr<Version>)> done) {
  if (absl::Status status = parts_.access.require_admin(context.auth); !status.ok())
    return done(std::move(status));
  const auto version = membership::parse_version_or_major_minor(target);
  if (!version) return done(error(EtcdError::wrong_downgrade_version_format));
  if (auto current = cluster_version(); !current.ok()) return done(current.status());
  parts_.reader.wait_read(context, [this, version = version->without_patch(),
                                    done = std::move(done)](absl::Status read) mutable {
    if (!read.ok()) return done(std::move(read));
    const auto cluster = parts_.member.cluster();
    const Version& current = *cluster->version();
    if (version != membership::allowed_downgrade(current) || current < kFirstWithDowngrade)
      return done(error(EtcdError::invalid_downgrade_target_version));
    if (cluster->downgrade().enabled) return done(error(EtcdError::downgrade_in_process));
    done(version);
  });
}

void Downgrades::validate(const CallContext& context, const std::string& target, Done done) {
  check(context, target, [this, done = std::move(done)](absl::StatusOr<Version> version) mutable {
    if (!version.ok()) return done(version.status());
    done(cluster_version());
  });
}

void Downgrades::enable(const CallContext& context, const std::string& target, Done done) {
  check(context, target,
        [this, context, done = std::move(done)](absl::StatusOr<Version> version) mutable {
          if (!version.ok()) {
            parts_.log.warn("reject downgrade request", {{"error", message(version.status())}});
            return done(version.status());
          }
          parts_.proposer.propose(
              context, Command::downgrade_info_set, set_request(true, version->to_string()),
              [this, done = std::move(done)](std::unique_ptr<apply::Result> result) mutable {
                if (result->status.ok()) return done(cluster_version());
                parts_.log.warn("reject downgrade request", {{"error", message(result->status)}});
                done(std::move(result->status));
              });
        });
}

// MNT-11: what goes wrong is logged, and the answer is a success.
void Downgrades::cancel(const CallContext& context, Done done) {
  if (absl::Status status = parts_.access.require_admin(context.auth); !status.ok())
    return done(std::move(status));
  auto finish = [this, done = std::move(done)](const absl::Status& status) mutable {
    if (!status.ok())
      parts_.log.warn("failed to cancel downgrade", {{"error", message(status)}});
    done(cluster_version());
  };
  parts_.reader.wait_read(context, [this, context,
                                    finish = std::move(finish)](absl::Status read) mutable {
    if (!read.ok()) return finish(read);
    if (!parts_.member.cluster()->downgrade().enabled)
      return finish(error(EtcdError::no_inflight_downgrade));
    parts_.proposer.propose(
        context, Command::downgrade_info_set, set_request(false, ""),
        [finish = std::move(finish)](std::unique_ptr<apply::Result> result) mutable {
          finish(result->status);
        });
  });
}

// --- the end of it ---

bool all_run(const MemberVersions& versions, const Version& target) {
  return std::all_of(versions.begin(), versions.end(), [&](const auto& entry) {
    const auto version =
        entry.second ? membership::parse_version(entry.second->server) : std::nullopt;
    return version && version->without_patch() == target.without_patch();
  });
}

DowngradeMonitor::DowngradeMonitor(Parts parts, env::Duration interval,
                                   env::Duration request_timeout)
    : parts_(std::move(parts)), interval_(interval), request_timeout_(request_timeout) {}

DowngradeMonitor::~DowngradeMonitor() { parts_.executor.cancel(timer_); }

void DowngradeMonitor::start() {
  if (interval_ <= env::Duration::zero()) return;
  parts_.executor.post([this] { arm(); });
}

void DowngradeMonitor::stop() {
  parts_.executor.post([this] {
    stopped_ = true;
    parts_.executor.cancel(std::exchange(timer_, 0));
  });
}

void DowngradeMonitor::arm() {
  timer_ = parts_.executor.post_after(interval_, [this] { check(); });
}

void DowngradeMonitor::check() {
  if (stopped_) return;
  arm();
  const auto cluster = parts_.member.cluster();
  if (busy_ || !cluster->downgrade().enabled ||
      parts_.member.leader() != parts_.member.member_id())
    return;
  const auto target = membership::parse_version(cluster->downgrade().target_version);
  if (!target) return;
  busy_ = true;
  parts_.ask([this, target = *target](const MemberVersions& versions) {
    busy_ = false;
    if (stopped_ || !all_run(versions, target)) return;
    parts_.log.info("the cluster has been downgraded", {{"cluster-version", target.to_string()}});
    end();
  });
}

void DowngradeMonitor::end() {
  busy_ = true;
  parts_.proposer.propose(
      {.reply_on = &parts_.executor, .deadline = parts_.executor.now() + request_timeout_},
      Command::downgrade_info_set, set_request(false, ""),
      [this](std::unique_ptr<apply::Result> result) {
        busy_ = false;
        if (!result->status.ok())
          parts_.log.warn("failed to cancel downgrade", {{"error", message(result->status)}});
      });
}

}  // namespace holdfast::server
