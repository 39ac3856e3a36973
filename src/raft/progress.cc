#include "raft/progress.h"

#include <algorithm>

#include "base/check.h"
#include "fmt/format.h"

namespace holdfast::raft {

std::string_view name(ProgressState state) {
  switch (state) {
    case ProgressState::probe:
      return "StateProbe";
    case ProgressState::replicate:
      return "StateReplicate";
    case ProgressState::snapshot:
      return "StateSnapshot";
  }
  return "?";
}

void Progress::reset_state(ProgressState to) {
  append_paused = false;
  pending_snapshot = Index(0);
  state = to;
  inflights.reset();
}

void Progress::become_probe() {
  // A snapshot that was sent is taken to have arrived: probe behind it, not behind match.
  const Index from =
      std::max(match, state == ProgressState::snapshot ? pending_snapshot : Index(0));
  reset_state(ProgressState::probe);
  next = from + 1;
  sent_commit = std::min(sent_commit, next - 1);
}

void Progress::become_replicate() {
  reset_state(ProgressState::replicate);
  next = match + 1;
}

void Progress::become_snapshot(Index snapshot_index) {
  reset_state(ProgressState::snapshot);
  pending_snapshot = snapshot_index;
  next = snapshot_index + 1;
  sent_commit = snapshot_index;
}

void Progress::sent_entries(size_t entries, uint64_t bytes) {
  switch (state) {
    case ProgressState::replicate:
      if (entries > 0) {
        next = next + entries;
        inflights.add(next - 1, bytes);
      }
      append_paused = inflights.full();
      return;
    case ProgressState::probe:
      if (entries > 0) append_paused = true;
      return;
    case ProgressState::snapshot:
      break;
  }
  CHECK(false, "sending append in unhandled state {}", name(state));
}

bool Progress::maybe_update(Index index) {
  if (index <= match) return false;
  match = index;
  next = std::max(next, index + 1);
  append_paused = false;
  return true;
}

bool Progress::maybe_decrease_to(Index rejected, Index match_hint) {
  if (state == ProgressState::replicate) {
    if (rejected <= match) return false;
    next = match + 1;
    sent_commit = std::min(sent_commit, next - 1);
    return true;
  }
  // Outside replicate one append is sent at a time, so a refusal of any other index is stale.
  if (next - 1 != rejected) return false;
  next = std::max(std::min(rejected, match_hint + 1), match + 1);
  sent_commit = std::min(sent_commit, next - 1);
  append_paused = false;
  return true;
}

std::string describe(const Progress& progress) {
  std::string out = fmt::format("{} match={} next={}", name(progress.state), progress.match.value,
                                progress.next.value);
  const auto to_out = std::back_inserter(out);
  if (progress.is_learner) out += " learner";
  if (progress.paused()) out += " paused";
  if (progress.pending_snapshot > Index(0))
    fmt::format_to(to_out, " pendingSnap={}", progress.pending_snapshot.value);
  if (!progress.recent_active) out += " inactive";
  if (progress.inflights.count() > 0) {
    fmt::format_to(to_out, " inflight={}", progress.inflights.count());
    if (progress.inflights.full()) out += "[full]";
  }
  return out;
}

namespace {
template <class Members>
auto position(Members& members, MemberId id) {
  return std::lower_bound(members.begin(), members.end(), id,
                          [](const auto& member, MemberId key) { return member.first < key; });
}
}  // namespace

Progress* ProgressMap::find(MemberId id) {
  const auto at = position(members_, id);
  return at != members_.end() && at->first == id ? &at->second : nullptr;
}

const Progress* ProgressMap::find(MemberId id) const {
  const auto at = position(members_, id);
  return at != members_.end() && at->first == id ? &at->second : nullptr;
}

Progress& ProgressMap::set(MemberId id, Progress progress) {
  auto at = position(members_, id);
  if (at != members_.end() && at->first == id) {
    at->second = std::move(progress);
  } else {
    at = members_.emplace(at, id, std::move(progress));
  }
  return at->second;
}

void ProgressMap::erase(MemberId id) {
  const auto at = position(members_, id);
  if (at != members_.end() && at->first == id) members_.erase(at);
}

std::string describe(const ProgressMap& map) {
  std::string out;
  for (const auto& [id, progress] : map)
    fmt::format_to(std::back_inserter(out), "{}: {}\n", id.value, describe(progress));
  return out;
}

}  // namespace holdfast::raft
