#include "server/member_versions.h"

#include "base/errors.h"
#include "server/member_survey.h"

namespace holdfast::server {

void VersionSurvey::ask(const std::vector<membership::Member>& members,
                        UniqueFunction<void(MemberVersions)> done) const {
  using Survey = MemberSurvey<RemoteCluster::Versions>;
  Survey survey{executor, timeout, nullptr, nullptr};
  survey.question = [remote = remote](const RemoteCluster::Request& request,
                                      RemoteCluster::Done<RemoteCluster::Versions> answer) {
    if (remote == nullptr) return answer(absl::UnavailableError("nobody to ask"));
    remote->get_versions(request, std::move(answer));
  };
  survey.failed = [log = &log](MemberId id, const std::string& url, const absl::Status& status) {
    log->warn("failed to reach the peer URL", {{"address", url + "/version"},
                                               {"remote-member-id", id},
                                               {"error", message(status)}});
  };
  std::move(survey).ask(members, [log = &log, done = std::move(done)](Survey::Answers answers) mutable {
    MemberVersions versions;
    for (auto& [id, answer] : answers) {
      if (!answer.ok()) log->warn("failed to get version", {{"remote-member-id", id}});
      versions[id] = answer.ok() ? std::optional(*std::move(answer)) : std::nullopt;
    }
    done(std::move(versions));
  });
}

}  // namespace holdfast::server
