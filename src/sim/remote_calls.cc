#include "sim/remote_calls.h"

#include <memory>
#include <utility>

#include "base/errors.h"
#include "fmt/format.h"
#include "membership/cluster.h"

namespace holdfast::sim {

namespace {

constexpr uint64_t kQuestionBytes = 200;
constexpr uint64_t kAnswerBytes = 400;

absl::Status unavailable(std::string_view why) { return make_status(absl::StatusCode::kUnavailable, why); }

}  // namespace

template <class T>
struct RemoteCalls::Call {
  Machine& from;
  const uint64_t start;
  env::Executor& reply_on;
  Done<T> done;
  bool over = false;

  void answer(absl::StatusOr<T> result) {
    if (over || from.starts() != start || from.process() == nullptr || !from.process()->alive()) return;
    over = true;
    reply_on.post([done = std::move(done), result = std::move(result)]() mutable { done(std::move(result)); });
  }
};

RemoteCalls::RemoteCalls(SimScheduler& scheduler, SimNetwork& network, Machine& self,
                         std::function<Machine*(const std::string&)> find_url)
    : scheduler_(scheduler), network_(network), self_(self), find_url_(std::move(find_url)) {}

template <class T>
void RemoteCalls::call(const Request& request, Serve<T> serve, Done<T> done) {
  // Shared by the ways on which an answer may come.
  auto call = std::make_shared<Call<T>>(Call<T>{self_, self_.starts(), *request.reply_on, std::move(done)});
  request.reply_on->post_after(request.timeout, [call] { call->answer(unavailable("no answer in time")); });
  Machine* to = find_url_(request.url);
  const env::Instant now = self_.process()->effect_time();
  if (to == nullptr) {
    scheduler_.at(now, [call] { call->answer(unavailable("no such host")); });
    return;
  }
  SimNetwork& network = network_;
  network_.carry(
      self_.address(), to->address(), kQuestionBytes, now,
      [call, to, &network, &scheduler = scheduler_, serve = std::move(serve)]() mutable {
        const auto reply = [call, to, &network](env::Instant leaves, absl::StatusOr<T> result) {
          network.carry(to->address(), call->from.address(), kAnswerBytes, leaves,
                        [call, result = std::move(result)]() mutable { call->answer(std::move(result)); }, [] {});
        };
        if (!to->serving()) return reply(scheduler.now(), unavailable("connection refused"));
        to->rpc().post([to, reply, serve = std::move(serve)]() mutable {
          serve(*to, [to, reply](absl::StatusOr<T> result) { reply(to->process()->effect_time(), std::move(result)); });
        });
      },
      [call] { call->answer(unavailable("connection reset")); });
}

void RemoteCalls::get_members(const Request& request, Done<Membership> done) {
  call<Membership>(request,
                   [](Machine& to, Done<Membership> answer) {
                     const server::MemberInfo& info = to.member().info();
                     Membership membership{info.cluster_id(), {}};
                     const auto cluster = info.cluster();
                     // One that has only been told who is there may be told wrong by now, and stay so as long as nobody leads
                     // who could tell it more. Administrators don't point new members at it; etcd's are misled by it.
                     if (!cluster->is_established()) return answer(unavailable("knows nobody yet"));
                     for (const auto& [id, member] : cluster->members()) membership.members.push_back(member);
                     answer(std::move(membership));
                   },
                   std::move(done));
}

void RemoteCalls::get_versions(const Request& request, Done<Versions> done) {
  call<Versions>(request,
                 [](Machine& to, Done<Versions> answer) {
                   const auto version = to.member().info().cluster()->version();
                   answer(Versions{std::string(server::kEtcdVersion), version ? version->to_string() : "not_decided"});
                 },
                 std::move(done));
}

void RemoteCalls::is_downgrading(const Request& request, Done<bool> done) {
  call<bool>(request,
             [](Machine& to, Done<bool> answer) {
               to.member().door().wait_read({.reply_on = &to.rpc()},
                                            [&to, answer = std::move(answer)](const absl::Status& status) mutable {
                                              if (!status.ok()) return answer(unavailable(message(status)));
                                              answer(to.member().info().cluster()->downgrade().enabled);
                                            });
             },
             std::move(done));
}

void RemoteCalls::get_hash(const Request& request, ClusterId cluster, Revision revision,
                           Done<mvcc::HashResult> done) {
  call<mvcc::HashResult>(
      request,
      [cluster, revision](Machine& to, Done<mvcc::HashResult> answer) {
        if (to.member().info().cluster_id() != cluster) return answer(error(EtcdError::cluster_id_mismatch));
        to.member().operations().hash_kv(to.rpc(), revision, std::move(answer));
      },
      std::move(done));
}

void RemoteCalls::promote(const Request& request, MemberId id, const std::string& token,
                          Done<std::vector<membership::Member>> done) {
  using Members = std::vector<membership::Member>;
  call<Members>(
      request,
      [id, token](Machine& to, Done<Members> answer) {
        to.member().cluster_services().membership.promote(
            {.reply_on = &to.rpc()}, id, token, [answer = std::move(answer)](absl::StatusOr<Members> members) mutable {
              const absl::Status status = members.status();
              if (status.ok() || is(status, EtcdError::member_not_found) || is(status, EtcdError::member_not_learner) ||
                  is(status, EtcdError::learner_not_ready))
                return answer(std::move(members));
              answer(make_status(absl::StatusCode::kUnknown,
                                 fmt::format("member promote: unknown error({})", message(status))));
            });
      },
      std::move(done));
}

namespace {
// The two that peers tell apart.
absl::Status as_peers_see(const absl::Status& status) {
  if (is(status, EtcdError::lease_not_found) || is(status, EtcdError::timeout_wait_applied_index)) return status;
  return unavailable(message(status));
}
}  // namespace

void RemoteCalls::renew(Question question, UniqueFunction<void(absl::StatusOr<int64_t>)> done) {
  call<int64_t>({question.url, question.patience, question.reply_on},
                [id = question.id](Machine& to, Done<int64_t> answer) {
                  to.member().leases().renew_for_peer(
                      to.rpc(), id, [answer = std::move(answer)](const absl::StatusOr<int64_t>& ttl) mutable {
                        ttl.ok() ? answer(*ttl) : answer(as_peers_see(ttl.status()));
                      });
                },
                std::move(done));
}

void RemoteCalls::time_to_live(Question question, server::LeaseKeys keys,
                               UniqueFunction<void(absl::StatusOr<server::LeaseInfo>)> done) {
  using Info = server::LeaseInfo;
  call<Info>({question.url, question.patience, question.reply_on},
             [id = question.id, keys](Machine& to, Done<Info> answer) {
               to.member().leases().time_to_live_for_peer(
                   to.rpc(), id, keys, [answer = std::move(answer)](absl::StatusOr<Info> info) mutable {
                     info.ok() ? answer(*std::move(info)) : answer(as_peers_see(info.status()));
                   });
             },
             std::move(done));
}

}  // namespace holdfast::sim
