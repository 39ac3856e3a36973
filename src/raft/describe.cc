#include "raft/describe.h"

#include <iterator>
#include <vector>

#include "base/go_text.h"
#include "fmt/format.h"
#include "raft/codec.h"
#include "raft/confchange.h"

namespace holdfast::raft {

namespace {

auto to(std::string& out) { return std::back_inserter(out); }

std::string describe_ids(const std::vector<MemberId>& ids) {
  std::string out = "[";
  for (MemberId id : ids) fmt::format_to(to(out), "{}{}", out.size() > 1 ? " " : "", id.value);
  return out + "]";
}

std::string describe_target(MemberId id) {
  if (id == kNone) return "None";
  if (id == kLocalAppendThread) return "AppendThread";
  if (id == kLocalApplyThread) return "ApplyThread";
  return fmt::format("{:x}", id.value);
}

std::string type_text(MessageType type) {
  const auto number = static_cast<int32_t>(type);
  if (number < 0 || number >= kMessageTypes) return fmt::format("{}", number);
  return std::string(name(type));
}

std::string describe_read_states(const std::vector<ReadState>& states) {
  std::string out = "[";
  for (const ReadState& state : states) {
    if (out.size() > 1) out += ' ';
    fmt::format_to(to(out), "{{{} [", state.index.value);
    std::string_view separator;
    for (char c : state.request_context.view()) {
      fmt::format_to(to(out), "{}{}", separator, static_cast<uint8_t>(c));
      separator = " ";
    }
    out += "]}";
  }
  return out + "]";
}

std::string describe_payload(const Entry& entry, EntryFormatter format) {
  if (entry.type == EntryType::normal) return format(entry.data.view());
  const absl::StatusOr<ConfChangeV2> change = conf_change_of(entry);
  return change.ok() ? conf_changes_to_string(change->changes)
                     : std::string(change.status().message());
}

void describe_to(std::string& out, const std::string& indent, const Message& m,
                 EntryFormatter format) {
  fmt::format_to(to(out), "{}{}->{} {} Term:{} Log:{}/{}", indent, describe_target(m.from),
                 describe_target(m.to), type_text(m.type), m.term.value, m.log_term.value,
                 m.index.value);
  if (m.reject) fmt::format_to(to(out), " Rejected (Hint: {})", m.reject_hint.value);
  if (m.commit != Index(0)) fmt::format_to(to(out), " Commit:{}", m.commit.value);
  if (m.vote != kNone) fmt::format_to(to(out), " Vote:{}", m.vote.value);
  if (m.entries.size() == 1) {
    fmt::format_to(to(out), " Entries:[{}]", describe(m.entries[0], format));
  } else if (m.entries.size() > 1) {
    out += " Entries:[";
    for (const Entry& entry : m.entries)
      fmt::format_to(to(out), "\n{}  {}", indent, describe(entry, format));
    fmt::format_to(to(out), "\n{}]", indent);
  }
  if (m.has_snapshot())
    fmt::format_to(to(out), "\n{}  Snapshot: {}", indent, describe(*m.snapshot));
  if (!m.responses.empty()) {
    out += " Responses:[";
    for (const Message& response : m.responses) {
      out += '\n';
      describe_to(out, indent + "  ", response, format);
    }
    fmt::format_to(to(out), "\n{}]", indent);
  }
}

}  // namespace

std::string_view name(StateType state) {
  switch (state) {
    case StateType::follower:
      return "StateFollower";
    case StateType::candidate:
      return "StateCandidate";
    case StateType::leader:
      return "StateLeader";
    case StateType::pre_candidate:
      return "StatePreCandidate";
  }
  return "?";
}

std::string_view name(EntryType type) {
  switch (type) {
    case EntryType::normal:
      return "EntryNormal";
    case EntryType::conf_change:
      return "EntryConfChange";
    case EntryType::conf_change_v2:
      return "EntryConfChangeV2";
  }
  return "?";
}

std::string_view name(ConfChangeType type) {
  switch (type) {
    case ConfChangeType::add_node:
      return "ConfChangeAddNode";
    case ConfChangeType::remove_node:
      return "ConfChangeRemoveNode";
    case ConfChangeType::update_node:
      return "ConfChangeUpdateNode";
    case ConfChangeType::add_learner_node:
      return "ConfChangeAddLearnerNode";
  }
  return "?";
}

std::string_view name(ConfChangeTransition value) {
  switch (value) {
    case ConfChangeTransition::automatic:
      return "ConfChangeTransitionAuto";
    case ConfChangeTransition::joint_implicit:
      return "ConfChangeTransitionJointImplicit";
    case ConfChangeTransition::joint_explicit:
      return "ConfChangeTransitionJointExplicit";
  }
  return "?";
}

std::string describe(const HardState& state) {
  std::string out = fmt::format("Term:{}", state.term.value);
  if (state.vote != kNone) fmt::format_to(to(out), " Vote:{}", state.vote.value);
  fmt::format_to(to(out), " Commit:{}", state.commit.value);
  return out;
}

std::string describe(const SoftState& state) {
  return fmt::format("Lead:{} State:{}", state.lead.value, name(state.state));
}

std::string describe(const ConfState& state) {
  return fmt::format("Voters:{} VotersOutgoing:{} Learners:{} LearnersNext:{} AutoLeave:{}",
                     describe_ids(state.voters), describe_ids(state.voters_outgoing),
                     describe_ids(state.learners), describe_ids(state.learners_next),
                     state.auto_leave);
}

std::string describe(const Snapshot& snapshot) {
  return fmt::format("Index:{} Term:{} ConfState:{}", snapshot.metadata.index.value,
                     snapshot.metadata.term.value, describe(snapshot.metadata.conf_state));
}

std::string describe(const ConfChangeV2& change) {
  std::string out = fmt::format("transition:{}", name(change.transition));
  for (const ConfChangeSingle& single : change.changes) {
    fmt::format_to(to(out), " changes:{{type:{} node_id:{}}}", name(single.type),
                   single.node_id.value);
  }
  if (!change.context.empty()) out += " context:" + go_quote(change.context.view());
  return out;
}

std::string describe(const Entry& entry, EntryFormatter format) {
  const std::string payload = describe_payload(entry, format);
  return fmt::format("{}/{} {}{}{}", entry.term.value, entry.index.value, name(entry.type),
                     payload.empty() ? "" : " ", payload);
}

std::string describe(const Entries& entries, EntryFormatter format) {
  std::string out;
  for (const Entry& entry : entries) out += describe(entry, format) + "\n";
  return out;
}

std::string describe(const Message& message, EntryFormatter format) {
  std::string out;
  describe_to(out, "", message, format);
  return out;
}

std::string describe(const Ready& ready, EntryFormatter format) {
  std::string out;
  if (ready.soft_state) out += describe(*ready.soft_state) + "\n";
  if (ready.hard_state) out += "HardState " + describe(*ready.hard_state) + "\n";
  if (!ready.read_states.empty())
    out += "ReadStates " + describe_read_states(ready.read_states) + "\n";
  if (!ready.entries.empty()) out += "Entries:\n" + describe(ready.entries, format);
  if (ready.snapshot) out += "Snapshot " + describe(*ready.snapshot) + "\n";
  if (!ready.committed_entries.empty())
    out += "CommittedEntries:\n" + describe(ready.committed_entries, format);
  if (!ready.messages.empty()) {
    out += "Messages:\n";
    for (const Message& message : ready.messages) out += describe(message, format) + "\n";
  }
  if (out.empty()) return "<empty Ready>";
  return fmt::format("Ready MustSync={}:\n{}", ready.must_sync, out);
}

}  // namespace holdfast::raft
