// committed cfg=(1,2,3) [cfgj=(...)|cfgj=zero] idx=(5,_,7) and vote cfg=... votes=(y,n,_): the
// values are those of the voters of cfg and then of cfgj, each once; _ is a voter that has not
// reported.
#include <map>

#include "fmt/format.h"
#include "raft-transcript/transcript.h"
#include "raft-transcript/values.h"
#include "raft/quorum.h"

namespace holdfast::transcript {

namespace {

using raft::JointConfig;
using raft::MajorityConfig;
using raft::quorum_index_text;
using Acks = std::map<MemberId, Index>;

struct Case {
  bool joint = false;
  std::vector<MemberId> first;
  std::vector<MemberId> second;
  std::vector<uint64_t> indexes;
  std::vector<uint64_t> votes;  // 2 yes, 1 no, 0 not voted
};

absl::Status refuse(std::string text) { return absl::InvalidArgumentError(text); }

absl::Status read_value(const std::string& key, const std::string& value, Case& c) {
  if (key == "votes") {
    if (value != "y" && value != "n" && value != "_")
      return refuse(fmt::format("unknown vote: {}", value));
    c.votes.push_back(value == "y" ? 2 : value == "n" ? 1 : 0);
    return absl::OkStatus();
  }
  if (key == "cfgj") {
    c.joint = true;
    if (value == "zero") return absl::OkStatus();
  }
  if (key == "idx" && value == "_") {
    c.indexes.push_back(0);
    return absl::OkStatus();
  }
  uint64_t n = 0;
  if (!parse(value, n)) return refuse(fmt::format("not a number: {}", value));
  if (key == "cfg") {
    c.first.emplace_back(n);
  } else if (key == "cfgj") {
    c.second.emplace_back(n);
  } else if (key == "idx") {
    if (n == 0) return refuse("cannot use 0 as idx");
    c.indexes.push_back(n);
  } else {
    return refuse(fmt::format("unknown arg {}", key));
  }
  return absl::OkStatus();
}

absl::StatusOr<Case> read_case(const Directive& directive) {
  Case c;
  for (const Argument& argument : directive.arguments) {
    for (const std::string& value : argument.values) {
      if (absl::Status status = read_value(argument.key, value, c); !status.ok()) return status;
    }
  }
  return c;
}

Acks assign(const Case& c, const std::vector<uint64_t>& values) {
  Acks acks;
  std::map<MemberId, bool> seen;
  size_t next = 0;
  for (const std::vector<MemberId>* ids : {&c.first, &c.second}) {
    for (MemberId id : *ids) {
      if (seen.contains(id) || next == values.size()) continue;
      seen[id] = true;
      if (values[next] != 0) acks[id] = Index(values[next]);
      ++next;
    }
  }
  return acks;
}

// The same thing computed the slow and obvious way.
Index committed_by_counting(const MajorityConfig& config, const Acks& acks) {
  if (config.empty()) return raft::kInfiniteIndex;
  Index best;
  for (MemberId candidate : config) {
    if (!acks.contains(candidate)) continue;
    const Index index = acks.at(candidate);
    size_t have = 0;
    for (MemberId id : config) have += acks.contains(id) && acks.at(id) >= index ? 1 : 0;
    if (have >= config.size() / 2 + 1) best = std::max(best, index);
  }
  return best;
}

template <class Config>
Index committed(const Config& config, const Acks& acks) {
  return config.committed_index([&acks](MemberId id) -> std::optional<Index> {
    const auto at = acks.find(id);
    return at == acks.end() ? std::nullopt : std::optional<Index>(at->second);
  });
}

std::string describe_acks(const MajorityConfig& config, const Acks& acks) {
  return config.describe_progress([&acks](MemberId id) -> std::optional<Index> {
    const auto at = acks.find(id);
    return at == acks.end() ? std::nullopt : std::optional<Index>(at->second);
  });
}

// What other ways to the same result say, where they differ.
std::string cross_check_majority(const MajorityConfig& config, const Acks& acks, Index index) {
  std::string out;
  const auto report = [&](Index other, const std::string& how) {
    if (other != index) out += fmt::format("{} <-- {}", quorum_index_text(other), how);
  };
  report(committed_by_counting(config, acks), "via alternative computation\n");
  report(committed(JointConfig{config, {}}, acks), "via zero-joint quorum\n");
  report(committed(JointConfig{config, config}, acks), "via self-joint quorum\n");
  for (MemberId id : config) {
    if (!acks.contains(id) || acks.at(id) >= index) continue;
    // Who is behind the result may fall back further without changing it.
    const Index own = acks.at(id);
    Acks lower = acks;
    lower[id] = own - 1;
    report(committed(config, lower), fmt::format("overlaying {}->{}", id.value, own.value));
    lower[id] = Index(0);
    report(committed(config, lower), fmt::format("overlaying {}->0", id.value));
  }
  return out;
}

std::string run_committed(const Case& c) {
  const Acks acks = assign(c, c.indexes);
  const MajorityConfig first(c.first);
  const MajorityConfig second(c.second);
  if (!c.joint) {
    const Index index = committed(first, acks);
    return describe_acks(first, acks) + cross_check_majority(first, acks, index) +
           quorum_index_text(index) + "\n";
  }
  const JointConfig joint{first, second};
  const Index index = committed(joint, acks);
  std::string out = describe_acks(joint.ids(), acks);
  if (const Index swapped = committed(JointConfig{second, first}, acks); swapped != index)
    out += quorum_index_text(swapped) + " <-- via symmetry\n";
  return out + quorum_index_text(index) + "\n";
}

std::string run_vote(const Case& c) {
  const Acks votes = assign(c, c.votes);
  const auto cast = [&votes](MemberId id) -> std::optional<bool> {
    const auto at = votes.find(id);
    return at == votes.end() ? std::nullopt : std::optional<bool>(at->second != Index(1));
  };
  const MajorityConfig first(c.first);
  const MajorityConfig second(c.second);
  if (!c.joint) return std::string(name(first.vote_result(cast))) + "\n";
  const raft::VoteResult result = JointConfig{first, second}.vote_result(cast);
  const raft::VoteResult swapped = JointConfig{second, first}.vote_result(cast);
  std::string out;
  if (swapped != result) out += fmt::format("{} <-- via symmetry\n", name(swapped));
  return out + std::string(name(result)) + "\n";
}

class QuorumKind : public Kind {
 public:
  absl::StatusOr<std::string> run(const Directive& directive) override {
    const absl::StatusOr<Case> c = read_case(directive);
    if (!c.ok()) return c.status();
    const std::vector<uint64_t>& values = directive.command == "vote" ? c->votes : c->indexes;
    const MajorityConfig voters =
        JointConfig{MajorityConfig(c->first), MajorityConfig(c->second)}.ids();
    if (voters.size() != values.size()) {
      std::string ids;
      for (MemberId id : voters) ids += fmt::format("{}{}:{{}}", ids.empty() ? "" : " ", id.value);
      std::string given;
      for (uint64_t value : values)
        given += (given.empty() ? "" : " ") + quorum_index_text(Index(value));
      return fmt::format("error: mismatched input (explicit or _) for voters map[{}]: [{}]", ids,
                         given);
    }
    if (directive.command == "committed") return run_committed(*c);
    if (directive.command == "vote") return run_vote(*c);
    return refuse(fmt::format("unknown command: {}", directive.command));
  }
};

}  // namespace

std::unique_ptr<Kind> make_quorum() { return std::make_unique<QuorumKind>(); }

}  // namespace holdfast::transcript
