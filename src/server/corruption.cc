#include "server/corruption.h"

#include <algorithm>
#include <map>

namespace holdfast::server {

std::vector<MemberId> members_that_differ(const mvcc::HashResult& own, const std::vector<PeerHash>& others) {
  std::vector<MemberId> differ;
  for (const PeerHash& other : others)
    if (other.hash.ok() && other.hash->hash != own.hash &&
        other.hash->compact_revision == own.compact_revision)
      differ.push_back(other.member);
  return differ;
}

std::vector<MemberId> members_off_the_log(MemberId self, const mvcc::HashResult& before,
                                          const mvcc::HashResult& after,
                                          const std::vector<PeerHash>& others) {
  std::vector<MemberId> off;
  if (before.hash != after.hash && before.hash_revision == after.hash_revision &&
      before.compact_revision == after.compact_revision)
    off.push_back(self);
  for (const PeerHash& other : others) {
    if (!other.hash.ok()) continue;
    const bool ahead = other.hash->current_revision > after.current_revision ||
                       other.hash->compact_revision > after.compact_revision;
    const bool differs = other.hash->compact_revision == before.compact_revision &&
                         other.hash->hash != before.hash;
    if (ahead || differs) off.push_back(other.member);
  }
  return off;
}

CompactionVerdict judge(MemberId self, const mvcc::CompactionHash& own, const std::vector<PeerHash>& others) {
  CompactionVerdict verdict;
  std::map<uint32_t, std::vector<MemberId>> by_hash = {{own.hash, {self}}};
  for (const PeerHash& other : others) {
    if (!other.hash.ok() || other.hash->compact_revision != own.compact_revision) continue;
    ++verdict.compared;
    by_hash[other.hash->hash].push_back(other.member);
  }
  if (by_hash.size() == 1) {
    if (verdict.compared == others.size()) verdict.kind = CompactionVerdict::Kind::equal;
    return verdict;
  }
  verdict.kind = CompactionVerdict::Kind::different;
  const size_t quorum = (others.size() + 1) / 2 + 1;
  const auto majority = std::find_if(by_hash.begin(), by_hash.end(),
                                     [&](const auto& group) { return group.second.size() >= quorum; });
  if (majority == by_hash.end()) {
    verdict.corrupt = {MemberId(0)};
    return verdict;
  }
  by_hash.erase(majority);
  for (const auto& [hash, members] : by_hash)
    verdict.corrupt.insert(verdict.corrupt.end(), members.begin(), members.end());
  std::sort(verdict.corrupt.begin(), verdict.corrupt.end());
  return verdict;
}

}  // namespace holdfast::server
