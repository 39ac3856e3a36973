// Sets of voters and what a majority of them, or of two of them (joint consensus, Raft thesis 4.3),
// agrees on.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "base/types.h"

namespace holdfast::raft {

// What a quorum of no voters has acknowledged: everything. So that the empty half of a joint pair
// has no say.
inline constexpr Index kInfiniteIndex{std::numeric_limits<uint64_t>::max()};

// "∞" or the number.
std::string quorum_index_text(Index index);

enum class VoteResult : uint8_t { pending = 1, lost = 2, won = 3 };
std::string_view name(VoteResult result);  // "VotePending", ...

// How far a voter has acknowledged; nothing if it has not reported.
using AckedIndex = absl::FunctionRef<std::optional<Index>(MemberId)>;
// A voter's vote; nothing if it has not voted.
using CastVote = absl::FunctionRef<std::optional<bool>(MemberId)>;

// A small ordered set: a handful of members, walked far more often than changed.
class MemberSet {
 public:
  MemberSet() = default;
  explicit MemberSet(const std::vector<MemberId>& ids);

  bool contains(MemberId id) const;
  void insert(MemberId id);
  void erase(MemberId id);
  void clear() { ids_.clear(); }
  size_t size() const { return ids_.size(); }
  bool empty() const { return ids_.empty(); }
  // Ascending.
  const std::vector<MemberId>& ids() const { return ids_; }
  auto begin() const { return ids_.begin(); }
  auto end() const { return ids_.end(); }

  bool operator==(const MemberSet&) const = default;

 private:
  std::vector<MemberId> ids_;
};

// "(1 2 a)": ids in hex, as etcd's log lines say.
std::string describe(const MemberSet& set);

class MajorityConfig : public MemberSet {
 public:
  using MemberSet::MemberSet;

  // The highest index that a majority has acknowledged; kInfiniteIndex for no voters.
  Index committed_index(AckedIndex acked) const;
  // For no voters: won.
  VoteResult vote_result(CastVote vote) const;
  // A little table with one bar a voter, for transcripts.
  std::string describe_progress(AckedIndex acked) const;
};

// One majority, or two at once while `outgoing` is not empty.
struct JointConfig {
  MajorityConfig incoming;
  MajorityConfig outgoing;

  bool joint() const { return !outgoing.empty(); }
  bool contains(MemberId id) const { return incoming.contains(id) || outgoing.contains(id); }
  MajorityConfig ids() const;  // the union
  size_t size() const;         // of the union

  Index committed_index(AckedIndex acked) const;
  VoteResult vote_result(CastVote vote) const;

  bool operator==(const JointConfig&) const = default;
};
// "(1 2 3)" or "(1 2 3)&&(1 2)".
std::string describe(const JointConfig& config);

}  // namespace holdfast::raft
