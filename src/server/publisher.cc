#include "server/publisher.h"

#include "base/errors.h"
#include "membership.pb.h"

namespace holdfast::server {

namespace {
// Between two tries, when the answer comes at once ("server stopped", a dropped proposal).
constexpr env::Duration kRetryPause = std::chrono::milliseconds(100);
}  // namespace

Publisher::Publisher(env::Executor& executor, Proposer& proposer, Logger& log,
                     Attributes attributes, env::Duration request_timeout, Task published)
    : executor_(executor),
      proposer_(proposer),
      log_(log),
      attributes_(std::move(attributes)),
      request_timeout_(request_timeout),
      published_(std::move(published)) {}

void Publisher::start() {
  executor_.post([this] { publish(); });
}

void Publisher::stop() {
  executor_.post([this] { stopped_ = true; });
}

void Publisher::publish() {
  if (stopped_) return;
  membershippb::ClusterMemberAttrSetRequest request;
  request.set_member_id(attributes_.member.value);
  request.mutable_member_attributes()->set_name(attributes_.name);
  for (const std::string& url : attributes_.client_urls)
    request.mutable_member_attributes()->add_client_urls(url);
  proposer_.propose({.reply_on = &executor_, .deadline = executor_.now() + request_timeout_},
                    Command::cluster_member_attr_set, request.SerializeAsString(),
                    [this](std::unique_ptr<apply::Result> result) { on_result(result->status); });
}

void Publisher::on_result(const absl::Status& status) {
  if (stopped_) return;
  if (status.ok()) {
    log_.info("published local member to cluster through raft",
              {{"local-member-id", attributes_.member}, {"cluster-id", attributes_.cluster}});
    published_();
    return;
  }
  log_.warn("failed to publish local member to cluster through raft",
            {{"local-member-id", attributes_.member}, {"error", message(status)}});
  executor_.post_after(kRetryPause, [this] { publish(); });
}

}  // namespace holdfast::server
