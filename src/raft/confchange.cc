#include "raft/confchange.h"

#include <algorithm>
#include <charconv>

#include "fmt/format.h"
#include "raft/codec.h"

namespace holdfast::raft {

namespace {

absl::Status refuse(std::string text) { return absl::FailedPreconditionError(text); }

// How many voters the sets do not share.
size_t symmetric_difference(const MemberSet& a, const MemberSet& b) {
  const auto missing = [](const MemberSet& from, const MemberSet& in) {
    return static_cast<size_t>(
        std::count_if(from.begin(), from.end(), [&](MemberId id) { return !in.contains(id); }));
  };
  return missing(a, b) + missing(b, a);
}

// The invariants of TrackerConfig.
absl::Status check_invariants(const Configuration& c) {
  const TrackerConfig& config = c.config;
  for (const MemberSet& set :
       {MemberSet(config.voters.ids()), config.learners, config.learners_next}) {
    for (MemberId id : set) {
      if (!c.progress.contains(id)) return refuse(fmt::format("no progress for {}", id.value));
    }
  }
  for (MemberId id : config.learners_next) {
    if (!config.voters.outgoing.contains(id))
      return refuse(fmt::format("{} is in LearnersNext, but not Voters[1]", id.value));
    if (c.progress.find(id)->is_learner) {
      return refuse(
          fmt::format("{} is in LearnersNext, but is already marked as learner", id.value));
    }
  }
  for (MemberId id : config.learners) {
    if (config.voters.outgoing.contains(id))
      return refuse(fmt::format("{} is in Learners and Voters[1]", id.value));
    if (config.voters.incoming.contains(id))
      return refuse(fmt::format("{} is in Learners and Voters[0]", id.value));
    if (!c.progress.find(id)->is_learner)
      return refuse(fmt::format("{} is in Learners, but is not marked as learner", id.value));
  }
  if (!config.joint()) {
    if (!config.learners_next.empty()) return refuse("cfg.LearnersNext must be nil when not joint");
    if (config.auto_leave) return refuse("AutoLeave must be false when not joint");
  }
  return absl::OkStatus();
}

absl::StatusOr<Configuration> checked(Configuration c) {
  if (absl::Status status = check_invariants(c); !status.ok()) return status;
  return c;
}

ConfChangeSingle single(ConfChangeType type, MemberId id) { return {.type = type, .node_id = id}; }

absl::StatusOr<ConfChangeSingle> conf_change_from_token(std::string_view token) {
  if (token.size() < 2) return absl::InvalidArgumentError(fmt::format("unknown token {}", token));
  ConfChangeSingle change;
  switch (token[0]) {
    case 'v':
      change.type = ConfChangeType::add_node;
      break;
    case 'l':
      change.type = ConfChangeType::add_learner_node;
      break;
    case 'r':
      change.type = ConfChangeType::remove_node;
      break;
    case 'u':
      change.type = ConfChangeType::update_node;
      break;
    default:
      return absl::InvalidArgumentError(fmt::format("unknown input: {}", token));
  }
  const std::string_view digits = token.substr(1);
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), change.node_id.value);
  if (error == std::errc::result_out_of_range) {
    return absl::InvalidArgumentError(
        fmt::format("strconv.ParseUint: parsing \"{}\": value out of range", digits));
  }
  if (error != std::errc() || end != digits.data() + digits.size()) {
    return absl::InvalidArgumentError(
        fmt::format("strconv.ParseUint: parsing \"{}\": invalid syntax", digits));
  }
  return change;
}

}  // namespace

ConfChangeV2 as_v2(const ConfChange& change) {
  return {.transition = ConfChangeTransition::automatic,
          .changes = {single(change.type, change.node_id)},
          .context = change.context};
}

JointEntry joint_entry(const ConfChangeV2& change) {
  // Several changes at once might still touch only one voter; that depends on the configuration
  // they meet, so joint consensus is used for all of them.
  if (change.transition == ConfChangeTransition::joint_explicit)
    return JointEntry::leave_explicitly;
  if (change.transition == ConfChangeTransition::joint_implicit || change.changes.size() > 1)
    return JointEntry::leave_automatically;
  return JointEntry::none;
}

bool leaves_joint(const ConfChangeV2& change) {
  return change.transition == ConfChangeTransition::automatic && change.changes.empty();
}

absl::StatusOr<std::vector<ConfChangeSingle>> conf_changes_from_string(std::string_view text) {
  std::vector<ConfChangeSingle> changes;
  constexpr std::string_view kSpace = " \t\n\r";
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return changes;
  text = text.substr(begin, text.find_last_not_of(kSpace) + 1 - begin);
  for (bool last = false; !last;) {
    const size_t space = text.find(' ');
    last = space == std::string_view::npos;
    absl::StatusOr<ConfChangeSingle> change = conf_change_from_token(text.substr(0, space));
    if (!change.ok()) return change.status();
    changes.push_back(*change);
    if (!last) text.remove_prefix(space + 1);
  }
  return changes;
}

std::string conf_changes_to_string(absl::Span<const ConfChangeSingle> changes) {
  std::string out;
  for (const ConfChangeSingle& change : changes) {
    if (!out.empty()) out += ' ';
    switch (change.type) {
      case ConfChangeType::add_node:
        out += 'v';
        break;
      case ConfChangeType::add_learner_node:
        out += 'l';
        break;
      case ConfChangeType::remove_node:
        out += 'r';
        break;
      case ConfChangeType::update_node:
        out += 'u';
        break;
    }
    out += std::to_string(change.node_id.value);
  }
  return out;
}

absl::StatusOr<Configuration> Changer::copy() const {
  return checked({tracker_.config, tracker_.progress});
}

absl::StatusOr<Configuration> Changer::simple(absl::Span<const ConfChangeSingle> changes) const {
  absl::StatusOr<Configuration> to = copy();
  if (!to.ok()) return to;
  if (to->config.joint()) return refuse("can't apply simple config change in joint config");
  if (absl::Status status = apply(*to, changes); !status.ok()) return status;
  if (symmetric_difference(tracker_.config.voters.incoming, to->config.voters.incoming) > 1)
    return refuse("more than one voter changed without entering joint config");
  return checked(*std::move(to));
}

absl::StatusOr<Configuration> Changer::enter_joint(
    AutoLeave auto_leave, absl::Span<const ConfChangeSingle> changes) const {
  absl::StatusOr<Configuration> to = copy();
  if (!to.ok()) return to;
  if (to->config.joint()) return refuse("config is already joint");
  // An empty configuration may get its first members (bootstrap, tests), but cannot be one half of
  // a joint one.
  if (to->config.voters.incoming.empty()) return refuse("can't make a zero-voter config joint");
  to->config.voters.outgoing = to->config.voters.incoming;
  if (absl::Status status = apply(*to, changes); !status.ok()) return status;
  to->config.auto_leave = auto_leave == AutoLeave::yes;
  return checked(*std::move(to));
}

absl::StatusOr<Configuration> Changer::leave_joint() const {
  absl::StatusOr<Configuration> to = copy();
  if (!to.ok()) return to;
  TrackerConfig& config = to->config;
  if (!config.joint()) return refuse("can't leave a non-joint config");
  for (MemberId id : config.learners_next) {
    config.learners.insert(id);
    to->progress.find(id)->is_learner = true;
  }
  config.learners_next.clear();
  for (MemberId id : config.voters.outgoing) {
    if (!config.voters.incoming.contains(id) && !config.learners.contains(id))
      to->progress.erase(id);
  }
  config.voters.outgoing.clear();
  config.auto_leave = false;
  return checked(*std::move(to));
}

absl::Status Changer::apply(Configuration& to, absl::Span<const ConfChangeSingle> changes) const {
  for (const ConfChangeSingle& change : changes) {
    // etcd sets the id to zero in a change that it refuses when applying it.
    if (change.node_id == kNone) continue;
    switch (change.type) {
      case ConfChangeType::add_node:
        make_voter(to, change.node_id);
        break;
      case ConfChangeType::add_learner_node:
        make_learner(to, change.node_id);
        break;
      case ConfChangeType::remove_node:
        remove(to, change.node_id);
        break;
      case ConfChangeType::update_node:
        break;
      default:
        return refuse(fmt::format("unexpected conf type {}", static_cast<int>(change.type)));
    }
  }
  if (to.config.voters.incoming.empty()) return refuse("removed all voters");
  return absl::OkStatus();
}

void Changer::make_voter(Configuration& to, MemberId id) const {
  Progress* member = to.progress.find(id);
  if (member == nullptr) return add(to, id, Role::voter);
  member->is_learner = false;
  to.config.learners.erase(id);
  to.config.learners_next.erase(id);
  to.config.voters.incoming.insert(id);
}

void Changer::make_learner(Configuration& to, MemberId id) const {
  Progress* member = to.progress.find(id);
  if (member == nullptr) return add(to, id, Role::learner);
  if (member->is_learner) return;
  Progress kept = *member;
  remove(to, id);
  // A voter of the outgoing half cannot be a learner yet: it becomes one when the joint
  // configuration is left.
  if (to.config.voters.outgoing.contains(id)) {
    to.config.learners_next.insert(id);
  } else {
    kept.is_learner = true;
    to.config.learners.insert(id);
  }
  to.progress.set(id, std::move(kept));
}

void Changer::remove(Configuration& to, MemberId id) const {
  if (!to.progress.contains(id)) return;
  to.config.voters.incoming.erase(id);
  to.config.learners.erase(id);
  to.config.learners_next.erase(id);
  if (!to.config.voters.outgoing.contains(id)) to.progress.erase(id);
}

void Changer::add(Configuration& to, MemberId id, Role role) const {
  if (role == Role::voter) {
    to.config.voters.incoming.insert(id);
  } else {
    to.config.learners.insert(id);
  }
  Progress fresh = tracker_.fresh_progress();
  fresh.next = std::max(last_index_, Index(1));
  fresh.is_learner = role == Role::learner;
  // Or check_quorum might depose the leader before the new member has had a chance to say anything.
  fresh.recent_active = true;
  to.progress.set(id, std::move(fresh));
}

absl::StatusOr<Configuration> restore_configuration(const ProgressTracker& empty, Index last_index,
                                                    const ConfState& state) {
  ProgressTracker tracker = empty;
  const auto take = [&tracker](absl::StatusOr<Configuration> next) {
    if (!next.ok()) return next.status();
    tracker.config = std::move(next->config);
    tracker.progress = std::move(next->progress);
    return absl::OkStatus();
  };
  std::vector<ConfChangeSingle> incoming;
  // In a joint state, first the outgoing half is built, then one joint step turns it into the
  // incoming one: it removes everybody and adds who stays or is new, which makes learners_next come
  // out right.
  for (MemberId id : state.voters_outgoing) {
    const ConfChangeSingle change = single(ConfChangeType::add_node, id);
    if (absl::Status status = take(Changer(tracker, last_index).simple({&change, 1})); !status.ok())
      return status;
    incoming.push_back(single(ConfChangeType::remove_node, id));
  }
  for (MemberId id : state.voters) incoming.push_back(single(ConfChangeType::add_node, id));
  for (const std::vector<MemberId>* ids : {&state.learners, &state.learners_next}) {
    for (MemberId id : *ids) incoming.push_back(single(ConfChangeType::add_learner_node, id));
  }
  if (!state.voters_outgoing.empty()) {
    const auto leave = state.auto_leave ? Changer::AutoLeave::yes : Changer::AutoLeave::no;
    if (absl::Status status = take(Changer(tracker, last_index).enter_joint(leave, incoming));
        !status.ok()) {
      return status;
    }
  } else {
    for (const ConfChangeSingle& change : incoming) {
      if (absl::Status status = take(Changer(tracker, last_index).simple({&change, 1}));
          !status.ok()) {
        return status;
      }
    }
  }
  return Configuration{std::move(tracker.config), std::move(tracker.progress)};
}

bool equivalent(const ConfState& a, const ConfState& b) {
  const auto same = [](std::vector<MemberId> x, std::vector<MemberId> y) {
    std::sort(x.begin(), x.end());
    std::sort(y.begin(), y.end());
    return x == y;
  };
  return same(a.voters, b.voters) && same(a.learners, b.learners) &&
         same(a.voters_outgoing, b.voters_outgoing) && same(a.learners_next, b.learners_next) &&
         a.auto_leave == b.auto_leave;
}

absl::StatusOr<ConfChangeV2> conf_change_of(const Entry& entry) {
  if (entry.type == EntryType::conf_change) {
    absl::StatusOr<ConfChange> change = decode_conf_change(entry.data.view());
    if (!change.ok()) return change.status();
    return as_v2(*change);
  }
  if (entry.type == EntryType::conf_change_v2) return decode_conf_change_v2(entry.data.view());
  return absl::InvalidArgumentError("not a conf change entry");
}

Entry conf_change_entry(const ConfChange& change) {
  return {.type = EntryType::conf_change, .data = SharedBytes(encoded(change))};
}

Entry conf_change_entry(const ConfChangeV2& change) {
  return {.type = EntryType::conf_change_v2, .data = SharedBytes(encoded(change))};
}

Entry leave_joint_entry() { return {.type = EntryType::conf_change_v2}; }

}  // namespace holdfast::raft
