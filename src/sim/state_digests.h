// All members are the same state machine: what two of them hold at the same point must be equal.
#pragma once

#include <cstdint>
#include <map>
#include <utility>

#include "base/types.h"
#include "sim/verdict.h"

namespace holdfast::sim {

class StateDigests {
 public:
  // A member's hash of all versions in (compacted, revision], as HashKV gives it.
  Verdict add(MemberId member, int64_t revision, int64_t compacted, uint64_t hash);
  // A member's revision when it had applied `index`.
  Verdict add_applied(MemberId member, Index index, int64_t revision);
  size_t compared() const { return compared_; }

 private:
  struct First {
    MemberId member;
    uint64_t value = 0;
  };
  Verdict compare(const First& first, MemberId member, uint64_t value, const char* what, int64_t at);

  std::map<std::pair<int64_t, int64_t>, First> by_revision_;
  std::map<Index, First> by_index_;
  size_t compared_ = 0;
};

}  // namespace holdfast::sim
