#include "server/membership_changes.h"

#include <algorithm>
#include <memory>

#include "base/errors.h"
#include "fmt/format.h"
#include "membership/initial_cluster.h"

namespace holdfast::server {

using membership::Member;

namespace {

// How long a member must have been connected to count as healthy (CLU-04).
constexpr env::Duration kHealthInterval = std::chrono::seconds(5);
// How much of the leader's log a learner must have to be promoted (CLU-09).
constexpr double kReadyShare = 0.9;
// Between two tries to reach the leader; etcd tries without a pause.
constexpr env::Duration kForwardPause = std::chrono::milliseconds(50);

size_t quorum(size_t members) { return members / 2 + 1; }

std::string_view type_name(raft::ConfChangeType type) {
  switch (type) {
    case raft::ConfChangeType::add_node: return "ConfChangeAddNode";
    case raft::ConfChangeType::remove_node: return "ConfChangeRemoveNode";
    case raft::ConfChangeType::update_node: return "ConfChangeUpdateNode";
    case raft::ConfChangeType::add_learner_node: return "ConfChangeAddLearnerNode";
  }
  return "";
}

}  // namespace

MembershipChanges::MembershipChanges(Parts parts, Options options)
    : parts_(parts), options_(options) {
  parts_.metrics.counter("etcd_server_learner_promote_successes",
                         "Learners promoted by this member as the leader.");
}

MembershipChanges::Members MembershipChanges::members() const {
  Members members;
  const auto cluster = parts_.member.cluster();
  for (const auto& [id, member] : cluster->members()) members.push_back(member);
  return members;
}

size_t MembershipChanges::connected_since(env::Instant since,
                                          const std::vector<MemberId>& voters) const {
  return static_cast<size_t>(std::count_if(voters.begin(), voters.end(), [&](MemberId id) {
    const env::Instant active = parts_.peers.active_since(id);
    return id == parts_.member.member_id() || (active != env::Instant{} && active < since);
  }));
}

void MembershipChanges::configure(const CallContext& context, raft::ConfChange change,
                                  MembersDone done) {
  const raft::ConfChangeType type = change.type;
  const MemberId id = change.node_id;
  parts_.proposer.propose_conf_change(
      context, std::move(change),
      [this, type, id, done = std::move(done)](std::unique_ptr<apply::Result> result) mutable {
        if (!result->status.ok()) return done(std::move(result->status));
        parts_.log.info("applied a configuration change through raft",
                        {{"local-member-id", parts_.member.member_id()},
                         {"raft-conf-change", type_name(type)},
                         {"raft-conf-change-node-id", id}});
        done(members());
      });
}

// --- add ---

absl::Status MembershipChanges::may_add(const Member& member) const {
  if (!options_.strict_reconfig_check) return absl::OkStatus();
  const auto cluster = parts_.member.cluster();
  const auto refuse = [&](std::string_view reason, EtcdError why) {
    parts_.log.warn(reason, {{"local-member-id", parts_.member.member_id()},
                             {"requested-member-add", membership::to_json(member)},
                             {"error", text(why)}});
    return error(why);
  };
  if (!member.is_learner && !cluster->is_ready_to_add_voter())
    return refuse("rejecting member add request; not enough healthy members",
                  EtcdError::member_not_enough_started);
  // The new member counts as one that is not there (3.7).
  const std::vector<MemberId> voters = cluster->voters();
  if (voters.size() > 1 &&
      connected_since(parts_.clock.now() - kHealthInterval, voters) < quorum(voters.size() + 1))
    return refuse(
        "rejecting member add request; local member has not been connected to majority peers, "
        "reconfigure breaks active quorum",
        EtcdError::unhealthy);
  return absl::OkStatus();
}

void MembershipChanges::add(const CallContext& context, const std::vector<std::string>& peer_urls,
                            Role role, UniqueFunction<void(absl::StatusOr<Added>)> done) {
  auto urls = membership::parse_urls(peer_urls);
  if (!urls.ok()) return done(error(EtcdError::member_bad_urls));
  if (absl::Status status = parts_.access.require_admin(context.auth); !status.ok())
    return done(std::move(status));
  Member member{.peer_urls = *std::move(urls), .is_learner = role == Role::learner};
  member.id = membership::member_id(member.peer_urls, "",
                                    parts_.clock.unix_nanoseconds() / 1'000'000'000);
  if (absl::Status status = may_add(member); !status.ok()) return done(std::move(status));
  raft::ConfChange change;
  change.type = member.is_learner ? raft::ConfChangeType::add_learner_node
                                  : raft::ConfChangeType::add_node;
  change.node_id = member.id;
  change.context = SharedBytes(membership::to_json(member));
  configure(context, std::move(change),
            [member, done = std::move(done)](absl::StatusOr<Members> members) mutable {
              if (!members.ok()) return done(members.status());
              done(Added{std::move(member), *std::move(members)});
            });
}

// --- remove ---

absl::Status MembershipChanges::may_remove(MemberId id) const {
  if (!options_.strict_reconfig_check) return absl::OkStatus();
  const auto cluster = parts_.member.cluster();
  const Member* member = cluster->find(id);
  if (member != nullptr && member->is_learner) return absl::OkStatus();
  if (!cluster->is_ready_to_remove_voter(id)) {
    parts_.log.warn("rejecting member remove request; not enough healthy members",
                    {{"local-member-id", parts_.member.member_id()},
                     {"requested-member-remove-id", id},
                     {"error", text(EtcdError::member_not_enough_started)}});
    return error(EtcdError::member_not_enough_started);
  }
  // One that is down is no part of the quorum that works.
  if (id != parts_.member.member_id() && parts_.peers.active_since(id) == env::Instant{})
    return absl::OkStatus();
  const std::vector<MemberId> voters = cluster->voters();
  const size_t active = connected_since(parts_.clock.now() - kHealthInterval, voters);
  if (active - 1 < 1 + (voters.size() - 1) / 2) {
    parts_.log.warn(
        "rejecting member remove request; local member has not been connected to all peers, "
        "reconfigure breaks active quorum",
        {{"local-member-id", parts_.member.member_id()},
         {"requested-member-remove", id},
         {"active-peers", static_cast<uint64_t>(active)},
         {"error", text(EtcdError::unhealthy)}});
    return error(EtcdError::unhealthy);
  }
  return absl::OkStatus();
}

void MembershipChanges::remove(const CallContext& context, MemberId id, MembersDone done) {
  if (absl::Status status = parts_.access.require_admin(context.auth); !status.ok())
    return done(std::move(status));
  if (absl::Status status = may_remove(id); !status.ok()) return done(std::move(status));
  raft::ConfChange change;
  change.type = raft::ConfChangeType::remove_node;
  change.node_id = id;
  configure(context, std::move(change), std::move(done));
}

// --- update ---

void MembershipChanges::update(const CallContext& context, MemberId id,
                               const std::vector<std::string>& peer_urls, MembersDone done) {
  if (absl::Status status = parts_.access.require_admin(context.auth); !status.ok())
    return done(std::move(status));
  raft::ConfChange change;
  change.type = raft::ConfChangeType::update_node;
  change.node_id = id;
  change.context = SharedBytes(membership::to_json(Member{.id = id, .peer_urls = peer_urls}));
  configure(context, std::move(change), std::move(done));
}

// --- promote ---

absl::Status MembershipChanges::is_ready(MemberId id, const RaftControl::Match& match) const {
  const double share = static_cast<double>(match.member.value) /
                       static_cast<double>(std::max<uint64_t>(match.leader.value, 1));
  if (share >= kReadyShare) return absl::OkStatus();
  parts_.log.error("rejecting promote learner: learner is not ready",
                   {{"requested-member-promote-id", id},
                    {"learner-ready-percent", share},
                    {"ready-percent-threshold", kReadyShare}});
  return error(EtcdError::learner_not_ready);
}

absl::Status MembershipChanges::may_promote(MemberId id) const {
  if (!options_.strict_reconfig_check || parts_.member.cluster()->is_ready_to_promote())
    return absl::OkStatus();
  parts_.log.warn("rejecting member promote request; not enough healthy members",
                  {{"local-member-id", parts_.member.member_id()},
                   {"requested-member-remove-id", id},
                   {"error", text(EtcdError::member_not_enough_started)}});
  return error(EtcdError::member_not_enough_started);
}

void MembershipChanges::promote_here(const CallContext& context, MemberId id, MembersDone done) {
  if (absl::Status status = parts_.access.require_admin(context.auth); !status.ok())
    return done(std::move(status));
  parts_.applied.wait(*context.reply_on, [this, context, id,
                                          done = std::move(done)](absl::Status applied) mutable {
    if (!applied.ok()) return done(std::move(applied));
    parts_.raft.ask_match(
        id, *context.reply_on,
        [this, context, id,
         done = std::move(done)](absl::StatusOr<RaftControl::Match> match) mutable {
          if (!match.ok()) return done(match.status());
          if (absl::Status status = is_ready(id, *match); !status.ok())
            return done(std::move(status));
          if (absl::Status status = may_promote(id); !status.ok()) return done(std::move(status));
          raft::ConfChange change;
          change.type = raft::ConfChangeType::add_node;
          change.node_id = id;
          change.context = SharedBytes(
              membership::to_json(membership::ConfChangeContext{{.id = id}, /*is_promote=*/true}));
          configure(context, std::move(change), std::move(done));
        });
  });
}

// A promotion on its way to the leader.
struct MembershipChanges::Forward {
  CallContext context;  // with the deadline of the whole
  MemberId id;
  std::string token;
  MembersDone done;
};

void MembershipChanges::promote(const CallContext& context, MemberId id, std::string token,
                                MembersDone done) {
  promote_here(context, id, [this, context, id, token = std::move(token),
                             done = std::move(done)](absl::StatusOr<Members> members) mutable {
    if (members.ok()) {
      parts_.metrics.counter("etcd_server_learner_promote_successes", "").increment();
      return done(std::move(members));
    }
    if (!is(members.status(), EtcdError::not_leader)) {
      parts_.metrics
          .counter("etcd_server_learner_promote_failures", "Learners that could not be promoted.",
                   {{"Reason", std::string(message(members.status()))}})
          .increment();
      return done(std::move(members));
    }
    CallContext bounded = context;
    bounded.deadline = std::min(context.deadline, parts_.clock.now() + options_.request_timeout);
    // Shared by the steps that follow one another.
    forward(std::make_shared<Forward>(
        Forward{std::move(bounded), id, std::move(token), std::move(done)}));
  });
}

void MembershipChanges::forward(std::shared_ptr<Forward> forward) {
  const auto cluster = parts_.member.cluster();
  const Member* leader = cluster->find(parts_.member.leader());
  const env::Instant now = parts_.clock.now();
  const env::Instant deadline = forward->context.deadline;
  env::Executor& executor = *forward->context.reply_on;
  if (now >= deadline)
    return forward->done(error(leader == nullptr ? EtcdError::no_leader : EtcdError::timeout));
  if (leader == nullptr) {  // FWD-02: an election takes so long
    executor.post_at(std::min(now + options_.election_timeout, deadline),
                     [this, forward] { this->forward(forward); });
    return;
  }
  if (leader->peer_urls.empty()) return forward->done(error(EtcdError::no_leader));
  // This member has become the leader meanwhile, or has nobody to ask.
  if (leader->id == parts_.member.member_id() || parts_.remote == nullptr)
    return promote_here(forward->context, forward->id, std::move(forward->done));
  ask_leader(std::move(forward), leader->peer_urls, 0);
}

void MembershipChanges::ask_leader(std::shared_ptr<Forward> forward, std::vector<std::string> urls,
                                   size_t next) {
  const env::Instant now = parts_.clock.now();
  if (next >= urls.size() || now >= forward->context.deadline) {
    forward->context.reply_on->post_after(kForwardPause,
                                          [this, forward] { this->forward(forward); });
    return;
  }
  const RemoteCluster::Request request{urls[next], forward->context.deadline - now,
                                       forward->context.reply_on};
  parts_.remote->promote(
      request, forward->id, forward->token,
      [this, forward, urls = std::move(urls), next](absl::StatusOr<Members> members) mutable {
        const absl::Status& status = members.status();
        if (members.ok() || is(status, EtcdError::learner_not_ready) ||
            is(status, EtcdError::member_not_found) || is(status, EtcdError::member_not_learner))
          return forward->done(std::move(members));
        ask_leader(forward, std::move(urls), next + 1);
      });
}

}  // namespace holdfast::server
