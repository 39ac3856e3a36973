#include "server/etcd_members.h"

#include <algorithm>
#include <climits>
#include <set>
#include <string>
#include <utility>

#include "base/errors.h"
#include "membership/v2_store.h"
#include "raft/codec.h"

namespace holdfast::server {

namespace {

using backend::Bucket;

std::set<MemberId> ids_of(const membership::Cluster& cluster) {
  std::set<MemberId> ids;
  for (const auto& [id, member] : cluster.members()) ids.insert(id);
  return ids;
}

std::set<MemberId> ids_of(const raft::ConfState& conf_state) {
  std::set<MemberId> ids(conf_state.voters.begin(), conf_state.voters.end());
  ids.insert(conf_state.learners.begin(), conf_state.learners.end());
  return ids;
}

void apply_v2_request(const membership::V2Request& request, membership::Cluster& cluster,
                      membership::RecordChanges& records) {
  if (request.method != "PUT") return;
  if (request.path == membership::kV2VersionPath) {
    if (const auto version = membership::parse_version(request.value)) cluster.set_version(*version, records);
    return;
  }
  const auto id = membership::parse_v2_attributes_path(request.path);
  const auto attributes = membership::parse_attributes(request.value);
  if (id && attributes && cluster.find(*id) != nullptr)
    cluster.update_attributes(*id, attributes->name, attributes->client_urls, records);
}

using Pairs = std::set<std::pair<std::string, std::string>>;
Pairs pairs_in(backend::Engine::Reader& state, Bucket bucket) {
  Pairs pairs;
  state.scan(bucket, {}, {}, [&](std::string_view key, std::string_view value) {
    pairs.emplace(key, value);
    return true;
  });
  return pairs;
}

}  // namespace

std::optional<membership::Cluster> members_by_v2_store(const raft::Snapshot& snapshot, const Log& log, Index until) {
  auto cluster = membership::from_v2_store_json(snapshot.data.view(), log.cluster);
  if (!cluster || ids_of(*cluster) != ids_of(snapshot.metadata.conf_state)) return std::nullopt;
  membership::RecordChanges records;
  for (const raft::Entry& entry : log.contents.entries) {
    if (entry.index > until) break;
    if (entry.type == raft::EntryType::conf_change) {
      const auto change = raft::decode_conf_change(entry.data);
      // One that was refused when it was applied changed nothing (MEM-06).
      if (change.ok() && change->node_id && cluster->validate(*change, INT_MAX).ok())
        cluster->apply(*change, records);
    } else if (const auto request = membership::parse_v2_request(entry.data.view())) {
      apply_v2_request(*request, *cluster, records);
    }
  }
  return cluster;
}

absl::StatusOr<bool> correct_members(backend::Engine& engine, const raft::Snapshot& snapshot, const Log& log,
                                     Index until) {
  auto state = engine.make_reader();
  state->begin();
  const Pairs members_there = pairs_in(*state, Bucket::members);
  const Pairs removed_there = pairs_in(*state, Bucket::members_removed);
  state->end();
  std::set<MemberId> ids_there;
  for (const auto& [key, value] : members_there)
    if (const auto id = membership::parse_member_key(key)) ids_there.insert(*id);

  const auto cluster = members_by_v2_store(snapshot, log, until);
  if (!cluster) {
    const std::set<MemberId> known = ids_of(snapshot.metadata.conf_state);
    const bool strangers_only = std::none_of(ids_there.begin(), ids_there.end(),
                                             [&](MemberId id) { return known.contains(id); });
    if (known.empty() || !strangers_only) return false;
    return make_status(absl::StatusCode::kFailedPrecondition,
                       "its database names the members of another cluster, and its .snap file none; restore it with "
                       "etcdutl or holdfastutl");
  }
  if (ids_of(*cluster) == ids_there) return false;
  Pairs members, removed;
  for (const auto& [id, member] : cluster->members())
    members.emplace(membership::member_key(id), membership::to_json(member));
  for (const MemberId id : cluster->removed()) removed.emplace(membership::member_key(id), "removed");
  absl::Status status = engine.commit([&](backend::Engine::Writer& writer) {
    const auto replace = [&writer](Bucket bucket, const Pairs& before, const Pairs& after) {
      for (const auto& [key, value] : before) writer.erase(bucket, key);
      for (const auto& [key, value] : after) writer.put(bucket, key, value);
    };
    replace(Bucket::members, members_there, members);
    replace(Bucket::members_removed, removed_there, removed);
  });
  if (!status.ok()) return status;
  return true;
}

}  // namespace holdfast::server
