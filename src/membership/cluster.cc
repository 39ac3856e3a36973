#include "membership/cluster.h"

#include <algorithm>
#include <charconv>

#include "base/check.h"
#include "base/errors.h"
#include "base/log.h"
#include "fmt/format.h"
#include "base/json.h"

namespace holdfast::membership {

namespace {

absl::Status damaged(std::string_view what) {
  return make_status(absl::StatusCode::kDataLoss, fmt::format("membership: {}", what));
}

bool is_quorum(int started, int members) { return started >= members / 2 + 1; }

}  // namespace

std::string member_key(MemberId id) { return hex_id(id.value); }

std::optional<MemberId> parse_member_key(std::string_view key) {
  uint64_t id = 0;
  const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id, 16);
  if (error != std::errc() || end != key.data() + key.size()) return std::nullopt;
  return MemberId(id);
}

Cluster Cluster::provisional(ClusterId id, const std::vector<Member>& members) {
  Cluster cluster;
  cluster.id_ = id;
  for (const Member& member : members) {
    cluster.members_[member.id] = member;
    cluster.provisional_.insert(member.id);
  }
  return cluster;
}

absl::StatusOr<Cluster> Cluster::from_records(ClusterId id, const StoredRecords& records) {
  Cluster cluster;
  cluster.id_ = id;
  for (const auto& [key, value] : records.members) {
    const auto member_id = parse_member_key(key);
    auto member = parse_member(value);
    if (!member_id || !member) return damaged(fmt::format("the record of member {} is damaged", key));
    member->id = *member_id;
    cluster.members_[*member_id] = *std::move(member);
  }
  for (const std::string& key : records.members_removed) {
    const auto member_id = parse_member_key(key);
    if (!member_id) return damaged(fmt::format("the record of removed member {} is damaged", key));
    cluster.removed_.insert(*member_id);
  }
  if (records.cluster_version) {
    cluster.version_ = parse_version(*records.cluster_version);
    if (!cluster.version_) return damaged("the cluster version is damaged");
  }
  if (records.downgrade) {
    const auto downgrade = parse_downgrade(*records.downgrade);
    if (!downgrade || (downgrade->enabled && !parse_version(downgrade->target_version)))
      return damaged("the downgrade information is damaged");
    cluster.downgrade_ = *downgrade;
  }
  return cluster;
}

const Member* Cluster::find(MemberId id) const {
  auto it = members_.find(id);
  return it == members_.end() ? nullptr : &it->second;
}

const Member* Cluster::find_by_name(std::string_view name) const {
  for (const auto& [id, member] : members_)
    if (member.name == name) return &member;
  return nullptr;
}

bool Cluster::is_established() const {
  return members_.size() > provisional_.size() || !removed_.empty();
}

std::vector<MemberId> Cluster::voters() const {
  std::vector<MemberId> ids;
  for (const auto& [id, member] : members_)
    if (!member.is_learner) ids.push_back(id);
  return ids;
}

std::vector<MemberId> Cluster::learners() const {
  std::vector<MemberId> ids;
  for (const auto& [id, member] : members_)
    if (member.is_learner) ids.push_back(id);
  return ids;
}

raft::ConfState Cluster::conf_state() const {
  raft::ConfState state;
  for (const auto& [id, member] : members_) {
    if (provisional_.contains(id)) continue;
    (member.is_learner ? state.learners : state.voters).push_back(id);
  }
  return state;
}

// --- before proposing ---

bool Cluster::is_ready_to_add_voter() const {
  int members = 1;
  int started = 0;
  for (const auto& [id, member] : members_) {
    if (member.is_learner) continue;
    ++members;
    if (member.is_started()) ++started;
  }
  // A single member must be able to get company, or a cluster restored from a backup could not grow.
  if (started == 1 && members == 2) return true;
  return is_quorum(started, members);
}

bool Cluster::is_ready_to_remove_voter(MemberId removed) const {
  int members = 0;
  int started = 0;
  for (const auto& [id, member] : members_) {
    if (member.is_learner || id == removed) continue;
    ++members;
    if (member.is_started()) ++started;
  }
  return is_quorum(started, members);
}

bool Cluster::is_ready_to_promote() const {
  int members = 1;  // with the learner, which counts as started
  int started = 1;
  for (const auto& [id, member] : members_) {
    if (member.is_learner) continue;
    ++members;
    if (member.is_started()) ++started;
  }
  return is_quorum(started, members);
}

// --- at apply ---

absl::Status Cluster::validate(const raft::ConfChange& change, int max_learners) const {
  using raft::ConfChangeType;
  const MemberId id = change.node_id;
  const auto is_known = [&](MemberId member) {
    return members_.contains(member) && !provisional_.contains(member);
  };
  const auto url_is_taken = [&](const std::vector<std::string>& urls, MemberId but) {
    for (const auto& [other, member] : members_) {
      if (other == but || provisional_.contains(other)) continue;
      for (const std::string& url : urls)
        if (std::find(member.peer_urls.begin(), member.peer_urls.end(), url) !=
            member.peer_urls.end())
          return true;
    }
    return false;
  };

  if (removed_.contains(id)) return error(EtcdError::member_not_found);
  switch (change.type) {
    case ConfChangeType::add_node:
    case ConfChangeType::add_learner_node: {
      const auto context = parse_conf_change_context(change.context.view());
      if (!context)
        return make_status(absl::StatusCode::kInvalidArgument,
                           "membership: the context of a conf change can't be read");
      if (context->is_promote) {
        if (!is_known(id)) return error(EtcdError::member_not_found);
        if (!members_.at(id).is_learner) return error(EtcdError::member_not_learner);
        return absl::OkStatus();
      }
      if (is_known(id)) return error(EtcdError::member_exist);
      if (url_is_taken(context->member.peer_urls, MemberId(0)))
        return error(EtcdError::peer_url_exist);
      if (context->member.is_learner && change.type == ConfChangeType::add_learner_node) {
        int learners = 1;
        for (const auto& [other, member] : members_)
          if (member.is_learner && !provisional_.contains(other)) ++learners;
        if (learners > max_learners) return error(EtcdError::too_many_learners);
      }
      return absl::OkStatus();
    }
    case ConfChangeType::remove_node: {
      if (!is_known(id)) return error(EtcdError::member_not_found);
      // etcd panics, on all members and at each restart. Two requests that were both good when they were made suffice.
      const bool voter_stays = std::any_of(members_.begin(), members_.end(), [&](const auto& m) {
        return m.first != id && is_known(m.first) && !m.second.is_learner;
      });
      return voter_stays ? absl::OkStatus() : error(EtcdError::member_not_enough_started);
    }
    case ConfChangeType::update_node: {
      if (!is_known(id)) return error(EtcdError::member_not_found);
      const auto member = parse_member(change.context.view());
      if (!member)
        return make_status(absl::StatusCode::kInvalidArgument,
                           "membership: the context of a conf change can't be read");
      return url_is_taken(member->peer_urls, id) ? error(EtcdError::peer_url_exist)
                                                 : absl::OkStatus();
    }
  }
  return make_status(absl::StatusCode::kInvalidArgument, "membership: unknown conf change");
}

void Cluster::store(const Member& member, RecordChanges& records) {
  provisional_.erase(member.id);
  records.push_back({RecordBucket::members, member_key(member.id), to_json(member)});
}

void Cluster::apply(const raft::ConfChange& change, RecordChanges& records) {
  if (change.type == raft::ConfChangeType::remove_node) return remove(change.node_id, records);
  const auto context = parse_conf_change_context(change.context.view());
  if (!context) return;
  if (change.type == raft::ConfChangeType::update_node)
    update_peer_urls(change.node_id, context->member.peer_urls, records);
  else if (context->is_promote)
    promote(change.node_id, records);
  else
    add(context->member, records);
}

void Cluster::add(const Member& member, RecordChanges& records) {
  members_[member.id] = member;
  store(member, records);
}

void Cluster::remove(MemberId id, RecordChanges& records) {
  members_.erase(id);
  provisional_.erase(id);
  removed_.insert(id);
  records.push_back({RecordBucket::members, member_key(id), std::nullopt});
  records.push_back({RecordBucket::members_removed, member_key(id), "removed"});
}

bool Cluster::promote(MemberId id, RecordChanges& records) {
  auto it = members_.find(id);
  if (it == members_.end()) return false;
  it->second.is_learner = false;
  store(it->second, records);
  return true;
}

bool Cluster::update_peer_urls(MemberId id, const std::vector<std::string>& urls,
                               RecordChanges& records) {
  auto it = members_.find(id);
  if (it == members_.end()) return false;
  it->second.peer_urls = urls;
  store(it->second, records);
  return true;
}

bool Cluster::update_attributes(MemberId id, std::string name, std::vector<std::string> client_urls,
                                RecordChanges& records) {
  auto it = members_.find(id);
  if (it == members_.end()) return false;
  it->second.name = std::move(name);
  it->second.client_urls = std::move(client_urls);
  store(it->second, records);
  return true;
}

void Cluster::set_version(const Version& version, RecordChanges& records) {
  version_ = version;
  records.push_back(
      {RecordBucket::cluster, std::string(kClusterVersionKey), version.to_string()});
}

void Cluster::set_downgrade(DowngradeInfo info, RecordChanges& records) {
  downgrade_ = std::move(info);
  records.push_back({RecordBucket::cluster, std::string(kDowngradeKey), to_json(downgrade_)});
}

// --- JSON ---

std::string to_json(const raft::ConfState& state) {
  std::string out = "{";
  const auto list = [&](std::string_view name, const std::vector<MemberId>& ids) {
    if (ids.empty()) return;
    out += fmt::format("\"{}\":[", name);
    for (size_t i = 0; i < ids.size(); ++i)
      out += fmt::format("{}{}", i == 0 ? "" : ",", ids[i].value);
    out += "],";
  };
  list("voters", state.voters);
  list("learners", state.learners);
  list("voters_outgoing", state.voters_outgoing);
  list("learners_next", state.learners_next);
  return out + (state.auto_leave ? "\"auto_leave\":true}" : "\"auto_leave\":false}");
}

std::string to_json(const DowngradeInfo& info) {
  std::string out = "{\"target-version\":";
  json::append_string(out, info.target_version);
  return out + (info.enabled ? ",\"enabled\":true}" : ",\"enabled\":false}");
}

std::optional<DowngradeInfo> parse_downgrade(std::string_view text) {
  DowngradeInfo info;
  json::Reader reader(text);
  if (!reader.object([&](std::string_view name, json::Reader& value) {
        if (json::same_name(name, "target-version")) return value.string(info.target_version);
        if (json::same_name(name, "enabled")) return value.boolean(info.enabled);
        return value.skip();
      }) ||
      !reader.at_end())
    return std::nullopt;
  return info;
}

}  // namespace holdfast::membership
