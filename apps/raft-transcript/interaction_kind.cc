// The directives of interactions: each reads its arguments and moves the Interaction.
#include <functional>
#include <map>

#include "base/go_text.h"
#include "fmt/format.h"
#include "raft-transcript/interaction.h"
#include "raft-transcript/transcript.h"
#include "raft-transcript/values.h"
#include "raft/confchange.h"
#include "raft/describe.h"

namespace holdfast::transcript {

namespace {

using raft::Config;
using raft::MessageType;
using raft::Snapshot;

// A directive that makes no sense: the file is broken. Other errors are output, as raft's own are.
absl::Status broken(std::string text) { return absl::InvalidArgumentError(text); }
absl::Status printed(std::string text) { return absl::FailedPreconditionError(text); }
bool is_broken(const absl::Status& status) {
  return status.code() == absl::StatusCode::kInvalidArgument;
}
absl::Status as_printed(const absl::Status& status) {
  return status.ok() ? status : printed(std::string(status.message()));
}

absl::Status set_read_only(const std::string& text, Config& config) {
  if (text == "safe") {
    config.read_only_option = raft::ReadOnlyOption::safe;
  } else if (text == "lease-based") {
    config.read_only_option = raft::ReadOnlyOption::lease_based;
  } else {
    return printed(fmt::format("invalid read-only option {}", go_quote(text)));
  }
  return absl::OkStatus();
}

// Beyond etcd's. Unknown options mean nothing, as in etcd's runner. False: a value that is none.
bool set_own_option(const std::string& key, const std::string& value, Config& config) {
  if (key == "max-size-per-message") return parse(value, config.max_size_per_message);
  if (key == "max-uncommitted-entries-size")
    return parse(value, config.max_uncommitted_entries_size);
  if (key == "max-inflight-bytes") return parse(value, config.max_inflight_bytes);
  if (key == "disable-proposal-forwarding") return parse(value, config.disable_proposal_forwarding);
  return true;
}

// One key=value of add-nodes.
absl::Status set_option(const std::string& key, const std::string& value, Config& config,
                        Snapshot& snapshot) {
  bool ok = true;
  uint64_t number = 0;
  raft::ConfState& members = snapshot.metadata.conf_state;
  if (key == "voters" || key == "learners") {
    ok = parse(value, number);
    (key == "voters" ? members.voters : members.learners).emplace_back(number);
  } else if (key == "inflight") {
    ok = parse(value, config.max_inflight_messages);
  } else if (key == "index") {
    ok = parse(value, number);
    snapshot.metadata.index = Index(number);
    config.applied = Index(number);
  } else if (key == "content") {
    snapshot.data = SharedBytes(value);
  } else if (key == "async-storage-writes") {
    ok = parse(value, config.async_storage_writes);
  } else if (key == "prevote") {
    ok = parse(value, config.pre_vote);
  } else if (key == "checkquorum") {
    ok = parse(value, config.check_quorum);
  } else if (key == "max-committed-size-per-ready") {
    ok = parse(value, config.max_committed_size_per_ready);
  } else if (key == "disable-conf-change-validation") {
    ok = parse(value, config.disable_conf_change_validation);
  } else if (key == "step-down-on-removal") {
    ok = parse(value, config.step_down_on_removal);
  } else if (key == "read-only") {
    return set_read_only(value, config);
  } else {
    ok = set_own_option(key, value, config);
  }
  return ok ? absl::OkStatus() : broken(fmt::format("{}={} cannot be read", key, value));
}

std::optional<MessageType> type_named(std::string_view text) {
  for (int i = 0; i < raft::kMessageTypes; ++i) {
    if (name(static_cast<MessageType>(i)) == text) return static_cast<MessageType>(i);
  }
  return std::nullopt;
}

// No scene needs more; a typing error must not take all memory.
constexpr size_t kMaxNodes = 1000;

class InteractionKind : public Kind {
 public:
  InteractionKind() { register_commands(); }

  absl::StatusOr<std::string> run(const Directive& directive) override {
    Output& output = cluster_.output();
    output.clear();
    const auto command = commands_.find(directive.command);
    const absl::Status status =
        command == commands_.end() ? printed("unknown command") : command->second(directive);
    if (is_broken(status)) return status;
    if (!status.ok()) {
      if (output.quiet()) return std::string(status.message());
      output.print(std::string(status.message()));
    }
    return output.text().empty() ? "ok" : output.text();
  }

 private:
  using Command = std::function<absl::Status(const Directive&)>;
  using OnNode = std::function<absl::Status(size_t)>;

  // A command on one node, its first argument.
  Command on_node(OnNode body) {
    return [this, body = std::move(body)](const Directive& d) -> absl::Status {
      const absl::StatusOr<size_t> i = node_at(d, 0);
      return i.ok() ? body(*i) : i.status();
    };
  }

  // A command on some nodes, with a heading for each if there are several.
  Command on_nodes(std::string heading, OnNode body) {
    return [this, heading = std::move(heading),
            body = std::move(body)](const Directive& d) -> absl::Status {
      const absl::StatusOr<std::vector<size_t>> nodes = node_list(d);
      if (!nodes.ok()) return nodes.status();
      for (size_t i : *nodes) {
        absl::Status status;
        if (nodes->size() > 1) {
          cluster_.output().print(fmt::format("> {} {}\n", i + 1, heading));
          cluster_.output().indented([&] { status = body(i); });
        } else {
          status = body(i);
        }
        if (!status.ok()) return status;
      }
      return absl::OkStatus();
    };
  }

  Command member(absl::Status (InteractionKind::*body)(const Directive&)) {
    return [this, body](const Directive& d) { return (this->*body)(d); };
  }

  void register_commands() {
    commands_["_breakpoint"] = [](const Directive&) { return absl::OkStatus(); };
    commands_["add-nodes"] = member(&InteractionKind::add_nodes);
    commands_["campaign"] =
        on_node([this](size_t i) { return as_status(cluster_.node(i).campaign()); });
    commands_["compact"] = member(&InteractionKind::compact);
    commands_["deliver-msgs"] = member(&InteractionKind::deliver);
    commands_["process-ready"] = on_nodes(
        "handling Ready", [this](size_t i) { return as_printed(cluster_.process_ready(i)); });
    commands_["process-append-thread"] = on_nodes("processing append thread", [this](size_t i) {
      return as_printed(cluster_.process_append_thread(i));
    });
    commands_["process-apply-thread"] = on_nodes("processing apply thread", [this](size_t i) {
      return as_printed(cluster_.process_apply_thread(i));
    });
    commands_["log-level"] = member(&InteractionKind::log_level);
    commands_["raft-log"] = on_node([this](size_t i) {
      cluster_.print_log(i);
      return absl::OkStatus();
    });
    commands_["raft-state"] = [this](const Directive&) {
      cluster_.print_states();
      return absl::OkStatus();
    };
    commands_["set-randomized-election-timeout"] = member(&InteractionKind::set_timeout);
    commands_["stabilize"] = member(&InteractionKind::stabilize);
    commands_["status"] = on_node([this](size_t i) {
      cluster_.output().print(describe(cluster_.node(i).status().progress));
      return absl::OkStatus();
    });
    commands_["tick-election"] =
        on_node([this](size_t i) { return tick(i, cluster_.config(i).election_tick); });
    commands_["tick-heartbeat"] =
        on_node([this](size_t i) { return tick(i, cluster_.config(i).heartbeat_tick); });
    commands_["transfer-leadership"] = member(&InteractionKind::transfer_leadership);
    // What raft says about it is not shown.
    commands_["forget-leader"] = on_node([this](size_t i) {
      (void)cluster_.node(i).forget_leader();
      return absl::OkStatus();
    });
    commands_["send-snapshot"] = member(&InteractionKind::send_snapshot);
    commands_["propose"] = member(&InteractionKind::propose);
    commands_["propose-conf-change"] = member(&InteractionKind::propose_conf_change);
    commands_["report-unreachable"] = member(&InteractionKind::report_unreachable);
    commands_["read-index"] = member(&InteractionKind::read_index);
    commands_["report-snapshot"] = member(&InteractionKind::report_snapshot);
  }

  static absl::Status as_status(raft::StepResult result) {
    return result == raft::StepResult::ok ? absl::OkStatus() : printed(std::string(text(result)));
  }

  absl::StatusOr<size_t> node_named(const std::string& text) const {
    uint64_t id = 0;
    if (!parse(text, id) || id == 0 || id > cluster_.size())
      return broken(fmt::format("no node {}", text));
    return id - 1;
  }
  absl::StatusOr<size_t> node_at(const Directive& d, size_t position) const {
    if (position >= d.arguments.size()) return broken("a node is missing");
    return node_named(d.arguments[position].key);
  }
  absl::StatusOr<std::vector<size_t>> node_list(const Directive& d) const {
    std::vector<size_t> nodes;
    for (const Argument& argument : d.arguments) {
      if (!argument.values.empty()) continue;
      const absl::StatusOr<size_t> i = node_named(argument.key);
      if (!i.ok()) return i.status();
      nodes.push_back(*i);
    }
    return nodes;
  }
  static const Argument* argument(const Directive& d, std::string_view key) {
    for (const Argument& argument : d.arguments) {
      if (argument.key == key && argument.values.size() == 1) return &argument;
    }
    return nullptr;
  }

  absl::Status add_nodes(const Directive& d) {
    int count = 0;
    if (d.arguments.empty() || !parse(d.arguments[0].key, count)) return broken("how many nodes?");
    if (count < 0 || cluster_.size() + static_cast<size_t>(count) > kMaxNodes)
      return broken(fmt::format("at most {} nodes", kMaxNodes));
    Config config;
    config.election_tick = 3;
    config.heartbeat_tick = 1;
    config.max_size_per_message = raft::kNoLimit;
    config.max_inflight_messages = std::numeric_limits<int32_t>::max();
    Snapshot snapshot;
    for (size_t i = 1; i < d.arguments.size(); ++i) {
      for (const std::string& value : d.arguments[i].values) {
        absl::Status status = set_option(d.arguments[i].key, value, config, snapshot);
        if (!status.ok()) return status;
      }
    }
    return as_printed(cluster_.add_nodes(count, config, snapshot));
  }

  absl::Status compact(const Directive& d) {
    const absl::StatusOr<size_t> i = node_at(d, 0);
    if (!i.ok()) return i.status();
    uint64_t index = 0;
    if (d.arguments.size() < 2 || !parse(d.arguments[1].key, index)) return broken("which index?");
    return as_printed(cluster_.compact(*i, Index(index)));
  }

  absl::Status deliver(const Directive& d) {
    std::optional<MessageType> type;
    std::vector<Interaction::Recipient> recipients;
    // Nodes that do not exist yet may get messages too, if only to be dropped.
    const auto add = [&](const std::string& name, bool drop) -> absl::Status {
      MemberId id;
      if (!parse(name, id.value)) return broken(fmt::format("no node {}", name));
      for (const Interaction::Recipient& other : recipients) {
        if (drop && other.id == id)
          return broken(fmt::format("can't both deliver and drop msgs to {}", name));
      }
      recipients.push_back({id, drop});
      return absl::OkStatus();
    };
    for (const Argument& argument : d.arguments) {
      absl::Status status;
      if (argument.values.empty()) status = add(argument.key, false);
      for (const std::string& value : argument.values) {
        if (argument.key == "drop") status.Update(add(value, true));
        if (argument.key == "type" && !(type = type_named(value)))
          return broken(fmt::format("unknown message type {}", value));
      }
      if (!status.ok()) return status;
    }
    if (cluster_.deliver(type, recipients) == 0) cluster_.output().print("no messages\n");
    return absl::OkStatus();
  }

  absl::Status log_level(const Directive& d) {
    if (d.arguments.empty()) return broken("which level?");
    return as_printed(cluster_.output().set_level(d.arguments[0].key));
  }

  absl::Status set_timeout(const Directive& d) {
    const absl::StatusOr<size_t> i = node_at(d, 0);
    if (!i.ok()) return i.status();
    const Argument* timeout = argument(d, "timeout");
    int ticks = 0;
    if (timeout == nullptr || !parse(timeout->values[0], ticks) || ticks == 0)
      return broken("which timeout?");
    cluster_.node(*i).set_randomized_election_timeout(ticks);
    return absl::OkStatus();
  }

  absl::Status stabilize(const Directive& d) {
    absl::StatusOr<std::vector<size_t>> nodes = node_list(d);
    if (!nodes.ok()) return nodes.status();
    if (nodes->empty()) {
      for (size_t i = 0; i < cluster_.size(); ++i) nodes->push_back(i);
    }
    Output& output = cluster_.output();
    const int level = output.level();
    absl::Status status;
    if (const Argument* wanted = argument(d, "log-level"))
      status = output.set_level(wanted->values[0]);
    if (status.ok()) status = cluster_.stabilize(*nodes);
    output.set_level(level);
    return as_printed(status);
  }

  absl::Status tick(size_t i, int ticks) {
    for (; ticks > 0; --ticks) cluster_.node(i).tick();
    return absl::OkStatus();
  }

  absl::Status transfer_leadership(const Directive& d) {
    const Argument* from = argument(d, "from");
    const Argument* to = argument(d, "to");
    if (from == nullptr || to == nullptr) return broken("from= and to= are needed");
    const absl::StatusOr<size_t> leader = node_named(from->values[0]);
    const absl::StatusOr<size_t> target = node_named(to->values[0]);
    if (!leader.ok()) return leader.status();
    if (!target.ok()) return target.status();
    cluster_.node(*leader).transfer_leader(MemberId(*target + 1));
    return absl::OkStatus();
  }

  absl::Status send_snapshot(const Directive& d) {
    const absl::StatusOr<std::vector<size_t>> nodes = node_list(d);
    if (!nodes.ok()) return nodes.status();
    if (nodes->size() != 2) return broken("two nodes are needed");
    cluster_.send_snapshot((*nodes)[0], (*nodes)[1]);
    return absl::OkStatus();
  }

  absl::Status propose(const Directive& d) {
    const absl::StatusOr<size_t> i = node_at(d, 0);
    if (!i.ok()) return i.status();
    if (d.arguments.size() != 2 || !d.arguments[1].values.empty())
      return broken("expected exactly one key with no vals");
    return as_status(cluster_.node(*i).propose(SharedBytes(d.arguments[1].key)));
  }

  absl::Status propose_conf_change(const Directive& d) {
    const absl::StatusOr<size_t> i = node_at(d, 0);
    if (!i.ok()) return i.status();
    bool v1 = false;
    raft::ConfChangeV2 change;
    for (size_t a = 1; a < d.arguments.size(); ++a) {
      for (const std::string& value : d.arguments[a].values) {
        const std::string& key = d.arguments[a].key;
        if (key == "v1") {
          if (!parse(value, v1)) {
            return printed(
                fmt::format("strconv.ParseBool: parsing {}: invalid syntax", go_quote(value)));
          }
        } else if (key != "transition") {
          return printed(fmt::format("unknown command {}", key));
        } else if (value == "implicit") {
          change.transition = raft::ConfChangeTransition::joint_implicit;
        } else if (value == "explicit") {
          change.transition = raft::ConfChangeTransition::joint_explicit;
        } else if (value == "auto") {
          change.transition = raft::ConfChangeTransition::automatic;
        } else {
          return printed(fmt::format("unknown transition {}", value));
        }
      }
    }
    absl::StatusOr<std::vector<raft::ConfChangeSingle>> changes =
        raft::conf_changes_from_string(d.input);
    if (!changes.ok()) return as_printed(changes.status());
    change.changes = *std::move(changes);
    if (!v1) return as_status(cluster_.node(*i).propose_conf_change(change));
    if (change.changes.size() > 1 || change.transition != raft::ConfChangeTransition::automatic)
      return printed("v1 conf change can only have one operation and no transition");
    if (change.changes.empty()) return broken("v1 conf change without an operation");
    const raft::ConfChange single{.type = change.changes[0].type,
                                  .node_id = change.changes[0].node_id};
    return as_status(cluster_.node(*i).propose_conf_change(single));
  }

  absl::Status report_unreachable(const Directive& d) {
    const absl::StatusOr<std::vector<size_t>> nodes = node_list(d);
    if (!nodes.ok()) return nodes.status();
    if (nodes->size() != 2) {
      return printed(
          "must specify exactly two node indexes: node on which to report, and reported node");
    }
    cluster_.node((*nodes)[0]).report_unreachable(MemberId((*nodes)[1] + 1));
    return absl::OkStatus();
  }

  // Beyond etcd's directives: read-index NODE CONTEXT.
  absl::Status read_index(const Directive& d) {
    const absl::StatusOr<size_t> i = node_at(d, 0);
    if (!i.ok()) return i.status();
    if (d.arguments.size() != 2) return broken("which context?");
    cluster_.node(*i).read_index(SharedBytes(d.arguments[1].key));
    return absl::OkStatus();
  }

  // Beyond etcd's directives: report-snapshot NODE RECEIVER [failed].
  absl::Status report_snapshot(const Directive& d) {
    const absl::StatusOr<size_t> i = node_at(d, 0);
    const absl::StatusOr<size_t> to = node_at(d, 1);
    if (!i.ok()) return i.status();
    if (!to.ok()) return to.status();
    const bool failed = d.arguments.size() > 2 && d.arguments[2].key == "failed";
    cluster_.node(*i).report_snapshot(
        MemberId(*to + 1), failed ? raft::SnapshotStatus::failed : raft::SnapshotStatus::finished);
    return absl::OkStatus();
  }

  Interaction cluster_;
  std::map<std::string, Command, std::less<>> commands_;
};

}  // namespace

std::unique_ptr<Kind> make_interaction() { return std::make_unique<InteractionKind>(); }

}  // namespace holdfast::transcript
