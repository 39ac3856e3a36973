// Commands and conf changes that change the cluster (parity CLU-05, CLU-08, MEM-06..09, VER-01, VER-07, VER-08). What the
// backend knows already is not stored again, but memory follows the log, as etcd's does.
#include "apply/state_machine.h"
#include "base/errors.h"
#include "base/log.h"
#include "fmt/format.h"
#include "raft_internal.pb.h"

namespace holdfast::apply {

using backend::Bucket;
using membership::RecordChanges;

namespace {

Bucket bucket_of(membership::RecordBucket bucket) {
  switch (bucket) {
    case membership::RecordBucket::members:
      return Bucket::members;
    case membership::RecordBucket::members_removed:
      return Bucket::members_removed;
    case membership::RecordBucket::cluster:
      break;
  }
  return Bucket::cluster;
}

}  // namespace

void StateMachine::write(const RecordChanges& records) {
  for (const membership::RecordChange& record : records) {
    if (record.value)
      backend_->put(bucket_of(record.bucket), record.key, *record.value);
    else
      backend_->erase(bucket_of(record.bucket), record.key);
  }
}

void StateMachine::apply_cluster_version(const ParsedRequest& request, bool should_apply) {
  const std::string& text = request.message().cluster_version_set().ver();
  const auto version = membership::parse_version(text);
  if (!version)
    environment_.process.die(fmt::format("an entry sets the cluster version to \"{}\"", text));
  if (absl::Status status = membership::check_not_older(options_.server_version, *version);
      !status.ok())
    environment_.process.die(message(status));
  const std::optional<membership::Version> previous = cluster_.version();
  if (previous)
    environment_.log.info("updated cluster version", {{"cluster-id", cluster_.id()},
                                                      {"local-member-id", options_.self},
                                                      {"from", previous->major_minor()},
                                                      {"to", version->major_minor()}});
  else
    environment_.log.info("set initial cluster version",
                          {{"cluster-id", cluster_.id()},
                           {"local-member-id", options_.self},
                           {"cluster-version", version->major_minor()}});
  RecordChanges records;
  cluster_.set_version(*version, records);
  if (should_apply) write(records);
  show_cluster();
  if (previous && *version < *previous) {
    environment_.log.info("Cluster version downgrade detected, forcing snapshot",
                          {{"prev-cluster-version", previous->to_string()},
                           {"new-cluster-version", version->to_string()}});
    if (observer_ != nullptr) observer_->on_cluster_version_lowered();
  }
}

void StateMachine::apply_member_attributes(const ParsedRequest& request, bool should_apply) {
  const auto& command = request.message().cluster_member_attr_set();
  const auto& urls = command.member_attributes().client_urls();
  const MemberId id(command.member_id());
  RecordChanges records;
  if (cluster_.update_attributes(id, command.member_attributes().name(),
                                 {urls.begin(), urls.end()}, records)) {
    if (should_apply) write(records);
    show_cluster();
    return;
  }
  if (!cluster_.is_removed(id))
    environment_.process.die(
        fmt::format("failed to update; member unknown: {}", hex_id(id.value)));
  environment_.log.warn("skipped attributes update of removed member",
                        {{"cluster-id", cluster_.id()},
                         {"local-member-id", options_.self},
                         {"updated-peer-id", id}});
}

void StateMachine::apply_downgrade(const ParsedRequest& request, bool should_apply) {
  const auto& command = request.message().downgrade_info_set();
  membership::DowngradeInfo info;
  if (command.enabled()) info = {.enabled = true, .target_version = command.ver()};
  RecordChanges records;
  cluster_.set_downgrade(std::move(info), records);
  if (should_apply) write(records);
  show_cluster();
}

ConfChangeOutcome StateMachine::apply_conf_change(const raft::ConfChange& change,
                                                  bool should_apply) {
  ConfChangeOutcome outcome;
  outcome.for_raft = change;
  if (should_apply) {
    outcome.tell_raft = true;
    outcome.status = cluster_.validate(change, options_.max_learners);
    if (!outcome.status.ok()) {
      environment_.log.error("Validation on configuration change failed",
                             {{"error", message(outcome.status)}});
      outcome.for_raft.node_id = MemberId(0);
      return outcome;
    }
  }
  outcome.member = change.node_id;
  switch (change.type) {
    case raft::ConfChangeType::add_node:
    case raft::ConfChangeType::add_learner_node:
      apply_added(change, should_apply, outcome);
      break;
    case raft::ConfChangeType::remove_node:
      apply_removed(change, should_apply, outcome);
      break;
    case raft::ConfChangeType::update_node:
      apply_updated(change, should_apply, outcome);
      break;
  }
  if (should_apply) {
    conf_state_changed_ = true;
    show_cluster();
  }
  return outcome;
}

void StateMachine::apply_added(const raft::ConfChange& change, bool should_apply,
                               ConfChangeOutcome& outcome) {
  const auto context = membership::parse_conf_change_context(change.context.view());
  if (!context) return;  // refused when it was new
  const membership::Member& member = context->member;
  if (member.id != change.node_id)
    environment_.process.die(fmt::format("a conf change adds {} with the context of {}",
                                         hex_id(change.node_id.value), hex_id(member.id.value)));
  outcome.effect = context->is_promote ? ConfChangeOutcome::Effect::promoted
                                       : ConfChangeOutcome::Effect::added;
  outcome.peer_urls = member.peer_urls;
  if (!should_apply) return;
  RecordChanges records;
  if (context->is_promote)
    cluster_.promote(member.id, records);
  else
    cluster_.add(member, records);
  write(records);
  environment_.log.info(context->is_promote ? "promote member" : "added member",
                        {{"cluster-id", cluster_.id()},
                         {"local-member-id", options_.self},
                         {"added-peer-id", member.id},
                         {"added-peer-peer-urls", member.peer_urls},
                         {"added-peer-is-learner", member.is_learner}});
}

void StateMachine::apply_removed(const raft::ConfChange& change, bool should_apply,
                                 ConfChangeOutcome& outcome) {
  outcome.effect = ConfChangeOutcome::Effect::removed;
  outcome.removed_self = change.node_id == options_.self;
  if (!should_apply) return;
  RecordChanges records;
  cluster_.remove(change.node_id, records);
  write(records);
  environment_.log.info("removed member", {{"cluster-id", cluster_.id()},
                                           {"local-member-id", options_.self},
                                           {"removed-remote-peer-id", change.node_id}});
}

void StateMachine::apply_updated(const raft::ConfChange& change, bool should_apply,
                                 ConfChangeOutcome& outcome) {
  const auto member = membership::parse_member(change.context.view());
  if (!member) return;  // refused when it was new
  if (member->id != change.node_id)
    environment_.process.die(fmt::format("a conf change updates {} with the context of {}",
                                         hex_id(change.node_id.value), hex_id(member->id.value)));
  RecordChanges records;
  // etcd updates memory in any case here.
  const bool known = cluster_.update_peer_urls(member->id, member->peer_urls, records);
  outcome.effect = ConfChangeOutcome::Effect::updated;
  outcome.peer_urls = member->peer_urls;
  if (!known) return;
  if (!should_apply) {
    show_cluster();
    return;
  }
  write(records);
  environment_.log.info("updated member", {{"cluster-id", cluster_.id()},
                                           {"local-member-id", options_.self},
                                           {"updated-remote-peer-id", member->id},
                                           {"updated-remote-peer-urls", member->peer_urls}});
}

}  // namespace holdfast::apply
