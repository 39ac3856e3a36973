#include "server/publisher.h"

#include <utility>

#include "base/errors.h"

namespace holdfast::server {

namespace {
// Between two tries, when the answer comes at once ("server stopped", a dropped proposal).
constexpr env::Duration kRetryPause = std::chrono::milliseconds(100);
}  // namespace

Publisher::Publisher(Parts parts, Attributes attributes, env::Duration request_timeout,
                     Task published)
    : AfterReplay(parts.executor, parts.member),
      parts_(std::move(parts)),
      attributes_(std::move(attributes)),
      request_timeout_(request_timeout),
      published_(std::move(published)) {}

void Publisher::stop() {
  parts_.executor.post([this] { stopped_ = true; });
}

void Publisher::publish() {
  if (stopped_) return;
  const auto cluster = parts_.member.cluster();
  // Alone, or the cluster's version tells: no need to ask.
  if (cluster->members().size() <= 1 && !cluster->version()) return publish_as(FactForm::v3);
  if (cluster->version() && cluster->version()->minor > 0)
    return publish_as(fact_form(cluster->version(), {}));
  parts_.ask([this](const MemberVersions& versions) {
    if (!stopped_) on_versions(versions);
  });
}

void Publisher::on_versions(const MemberVersions& versions) {
  const auto cluster = parts_.member.cluster();
  const env::Duration asked_for = parts_.executor.now() - began_;
  if (ask_again(doubt_about(cluster->version(), versions, parts_.peers), asked_for)) {
    if (asked_for >= kSilenceMax && !std::exchange(warned_, true))
      parts_.log.warn("a connected member does not tell its version; publishing waits until it does",
                      {{"local-member-id", attributes_.member}});
    parts_.executor.post_after(kSilencePause, [this] { publish(); });
    return;
  }
  publish_as(fact_form(cluster->version(), versions));
}

void Publisher::publish_as(FactForm form) {
  parts_.facts.set_attributes(
      {.reply_on = &parts_.executor, .deadline = parts_.executor.now() + request_timeout_}, form,
      attributes_.member, {attributes_.name, attributes_.client_urls},
      [this](std::unique_ptr<apply::Result> result) { on_result(result->status); });
}

void Publisher::on_result(const absl::Status& status) {
  if (stopped_) return;
  if (status.ok()) return finish();
  parts_.log.warn("failed to publish local member to cluster through raft",
                  {{"local-member-id", attributes_.member}, {"error", message(status)}});
  parts_.executor.post_after(kRetryPause, [this] { publish(); });
}

void Publisher::on_installed(Index) {
  parts_.executor.post([this] {
    look();
    look_whether_replayed();
  });
}

void Publisher::look() {
  if (stopped_) return;
  const auto cluster = parts_.member.cluster();
  const auto self = cluster->members().find(attributes_.member);
  if (self != cluster->members().end() && self->second.name == attributes_.name &&
      self->second.client_urls == attributes_.client_urls)
    finish();
}

void Publisher::finish() {
  stopped_ = true;
  parts_.log.info("published local member to cluster through raft",
                  {{"local-member-id", attributes_.member}, {"cluster-id", attributes_.cluster}});
  published_();
}

}  // namespace holdfast::server
