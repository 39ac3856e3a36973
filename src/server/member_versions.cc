#include "server/member_versions.h"

#include <memory>

#include "base/errors.h"
#include "fmt/format.h"

namespace holdfast::server {

namespace {

// Until the last member has answered.
struct Pending {
  VersionSurvey survey;
  size_t open = 0;
  MemberVersions versions;
  UniqueFunction<void(MemberVersions)> done;
};
using Shared = std::shared_ptr<Pending>;  // shared by the questions under way

void answer(const Shared& pending, MemberId id, std::optional<RemoteCluster::Versions> versions) {
  pending->versions[id] = std::move(versions);
  if (--pending->open == 0) pending->done(std::move(pending->versions));
}

void ask_one(const Shared& pending, membership::Member member, size_t next_url) {
  const VersionSurvey& survey = pending->survey;
  if (survey.remote == nullptr || next_url >= member.peer_urls.size()) {
    survey.log.warn("failed to get version", {{"remote-member-id", member.id}});
    return answer(pending, member.id, std::nullopt);
  }
  const std::string url = member.peer_urls[next_url];
  survey.remote->get_versions(
      {url, survey.timeout, &survey.executor},
      [pending, member = std::move(member), next_url,
       url](absl::StatusOr<RemoteCluster::Versions> versions) mutable {
        if (versions.ok()) return answer(pending, member.id, *std::move(versions));
        pending->survey.log.warn("failed to reach the peer URL",
                                 {{"address", url + "/version"},
                                  {"remote-member-id", member.id},
                                  {"error", message(versions.status())}});
        ask_one(pending, std::move(member), next_url + 1);
      });
}

}  // namespace

void VersionSurvey::ask(const std::vector<membership::Member>& members,
                        UniqueFunction<void(MemberVersions)> done) const {
  auto pending = std::make_shared<Pending>(Pending{*this, members.size(), {}, std::move(done)});
  executor.post([pending, members] {
    if (members.empty()) return pending->done({});
    for (const membership::Member& member : members) ask_one(pending, member, 0);
  });
}

}  // namespace holdfast::server
