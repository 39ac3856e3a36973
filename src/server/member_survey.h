// One question put to several members at once, to each by its peer URLs one after the other until one answers.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/task.h"
#include "env/executor.h"
#include "membership/member.h"
#include "server/remote_cluster.h"

namespace holdfast::server {

template <class T>
struct MemberSurvey {
  env::Executor& executor;
  env::Duration timeout;  // for each URL
  std::function<void(const RemoteCluster::Request&, RemoteCluster::Done<T>)> question;
  // Told of each URL that gave no answer; another one may still.
  std::function<void(MemberId, const std::string& url, const absl::Status&)> failed;

  // The last error for a member that answered at none of its URLs.
  using Answers = std::map<MemberId, absl::StatusOr<T>>;

  // On the executor; so is `done`, and never inside the call.
  void ask(std::vector<membership::Member> members, UniqueFunction<void(Answers)> done) && {
    auto pending = std::make_shared<Pending>(  // shared by the questions under way
        Pending{std::move(*this), members.size(), {}, std::move(done)});
    pending->survey.executor.post([pending, members = std::move(members)]() mutable {
      if (members.empty()) return pending->done({});
      for (membership::Member& member : members)
        ask_next(pending, std::move(member), 0, absl::UnavailableError("no peer URL"));
    });
  }

 private:
  struct Pending {
    MemberSurvey survey;
    size_t open = 0;
    Answers answers;
    UniqueFunction<void(Answers)> done;
    void answer(MemberId id, absl::StatusOr<T> answer) {
      answers.insert_or_assign(id, std::move(answer));
      if (--open == 0) done(std::move(answers));
    }
  };

  static void ask_next(const std::shared_ptr<Pending>& pending, membership::Member member, size_t next,
                       absl::Status last) {
    if (next >= member.peer_urls.size()) return pending->answer(member.id, std::move(last));
    const MemberSurvey& survey = pending->survey;
    const RemoteCluster::Request request{member.peer_urls[next], survey.timeout, &survey.executor};
    survey.question(request, [pending, member = std::move(member), next](absl::StatusOr<T> answer) mutable {
      if (answer.ok()) return pending->answer(member.id, std::move(answer));
      if (pending->survey.failed) pending->survey.failed(member.id, member.peer_urls[next], answer.status());
      ask_next(pending, std::move(member), next + 1, answer.status());
    });
  }
};

}  // namespace holdfast::server
