#include "sim/state_digests.h"

#include "fmt/format.h"

namespace holdfast::sim {

namespace {
// Points remembered of each kind; the oldest go.
constexpr size_t kPointsMax = 10'000;
}  // namespace

Verdict StateDigests::compare(const First& first, MemberId member, uint64_t value, const char* what,
                              int64_t at) {
  if (first.member == member && first.value == value) return {};
  ++compared_;
  if (first.value == value) return {};
  return Verdict::violation(fmt::format("members differ at {} {}: {:x} has {:x}, {:x} has {:x}", what, at,
                                        first.member.value, first.value, member.value, value));
}

Verdict StateDigests::add(MemberId member, int64_t revision, int64_t compacted, uint64_t hash) {
  auto [first, is_new] = by_revision_.try_emplace({revision, compacted}, First{member, hash});
  const First seen = first->second;
  if (by_revision_.size() > kPointsMax) by_revision_.erase(by_revision_.begin());
  return is_new ? Verdict{} : compare(seen, member, hash, "revision", revision);
}

Verdict StateDigests::add_applied(MemberId member, Index index, int64_t revision) {
  auto [first, is_new] =
      by_index_.try_emplace(index, First{member, static_cast<uint64_t>(revision)});
  const First seen = first->second;
  if (by_index_.size() > kPointsMax) by_index_.erase(by_index_.begin());
  return is_new ? Verdict{}
                : compare(seen, member, static_cast<uint64_t>(revision), "applied index",
                          static_cast<int64_t>(index.value));
}

}  // namespace holdfast::sim
