#include "raft/quorum.h"

#include <algorithm>
#include <array>

#include "fmt/format.h"

namespace holdfast::raft {

namespace {
// Sets up to this size need no allocation to find the majority's index.
constexpr size_t kUsualVoters = 7;
}  // namespace

std::string quorum_index_text(Index index) {
  return index == kInfiniteIndex ? "∞" : fmt::format("{}", index.value);
}

std::string_view name(VoteResult result) {
  switch (result) {
    case VoteResult::pending:
      return "VotePending";
    case VoteResult::lost:
      return "VoteLost";
    case VoteResult::won:
      return "VoteWon";
  }
  return "VoteResult(?)";
}

MemberSet::MemberSet(const std::vector<MemberId>& ids) : ids_(ids) {
  std::sort(ids_.begin(), ids_.end());
  ids_.erase(std::unique(ids_.begin(), ids_.end()), ids_.end());
}

bool MemberSet::contains(MemberId id) const {
  return std::binary_search(ids_.begin(), ids_.end(), id);
}

void MemberSet::insert(MemberId id) {
  const auto at = std::lower_bound(ids_.begin(), ids_.end(), id);
  if (at == ids_.end() || *at != id) ids_.insert(at, id);
}

void MemberSet::erase(MemberId id) {
  const auto at = std::lower_bound(ids_.begin(), ids_.end(), id);
  if (at != ids_.end() && *at == id) ids_.erase(at);
}

std::string describe(const MemberSet& set) {
  std::string out = "(";
  for (MemberId id : set) {
    if (out.size() > 1) out += ' ';
    fmt::format_to(std::back_inserter(out), "{:x}", id.value);
  }
  out += ')';
  return out;
}

Index MajorityConfig::committed_index(AckedIndex acked) const {
  if (empty()) return kInfiniteIndex;
  std::array<Index, kUsualVoters> few;
  std::vector<Index> many;
  Index* indexes = few.data();
  if (size() > few.size()) {
    many.resize(size());
    indexes = many.data();
  }
  size_t n = 0;
  for (MemberId id : *this) indexes[n++] = acked(id).value_or(Index(0));
  std::sort(indexes, indexes + n);
  return indexes[n - (n / 2 + 1)];
}

VoteResult MajorityConfig::vote_result(CastVote vote) const {
  if (empty()) return VoteResult::won;
  size_t granted = 0;
  size_t missing = 0;
  for (MemberId id : *this) {
    const std::optional<bool> cast = vote(id);
    if (!cast) {
      ++missing;
    } else if (*cast) {
      ++granted;
    }
  }
  const size_t quorum = size() / 2 + 1;
  if (granted >= quorum) return VoteResult::won;
  return granted + missing >= quorum ? VoteResult::pending : VoteResult::lost;
}

std::string MajorityConfig::describe_progress(AckedIndex acked) const {
  if (empty()) return "<empty majority quorum>";
  struct Row {
    MemberId id;
    Index index;
    bool known;
    size_t bar;  // how many voters are behind
  };
  std::vector<Row> rows;
  for (MemberId id : *this) {
    const std::optional<Index> index = acked(id);
    rows.push_back({id, index.value_or(Index(0)), index.has_value(), 0});
  }
  for (Row& row : rows) {
    row.bar = static_cast<size_t>(std::count_if(
        rows.begin(), rows.end(), [&](const Row& other) { return other.index < row.index; }));
  }
  const size_t n = size();
  std::string out = std::string(n, ' ') + "    idx\n";
  for (const Row& row : rows) {
    out += row.known ? std::string(row.bar, 'x') + ">" + std::string(n - row.bar, ' ')
                     : "?" + std::string(n, ' ');
    fmt::format_to(std::back_inserter(out), " {:>5}    (id={:x})\n", row.index.value, row.id.value);
  }
  return out;
}

MajorityConfig JointConfig::ids() const {
  MajorityConfig all = incoming;
  for (MemberId id : outgoing) all.insert(id);
  return all;
}

size_t JointConfig::size() const {
  size_t size = incoming.size();
  for (MemberId id : outgoing) size += incoming.contains(id) ? 0 : 1;
  return size;
}

Index JointConfig::committed_index(AckedIndex acked) const {
  return std::min(incoming.committed_index(acked), outgoing.committed_index(acked));
}

VoteResult JointConfig::vote_result(CastVote vote) const {
  const VoteResult a = incoming.vote_result(vote);
  const VoteResult b = outgoing.vote_result(vote);
  if (a == b) return a;
  if (a == VoteResult::lost || b == VoteResult::lost) return VoteResult::lost;
  return VoteResult::pending;
}

std::string describe(const JointConfig& config) {
  if (!config.joint()) return describe(config.incoming);
  return describe(config.incoming) + "&&" + describe(config.outgoing);
}

}  // namespace holdfast::raft
