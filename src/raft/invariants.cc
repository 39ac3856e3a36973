#include "raft/invariants.h"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>

#include "fmt/format.h"
#include "raft/codec.h"
#include "raft/describe.h"

namespace holdfast::raft {

namespace {

template <class... Args>
absl::Status broken(const Raft& raft, fmt::format_string<Args...> format, Args&&... args) {
  return absl::InternalError(fmt::format("member {:x} ({}, term {}): {}", raft.id().value,
                                         name(raft.state()), raft.term().value,
                                         fmt::format(format, std::forward<Args>(args)...)));
}

absl::Status check_role(const Raft& raft) {
  switch (raft.state()) {
    case StateType::leader:
      if (raft.lead() != raft.id())
        return broken(raft, "a leader that follows {:x}", raft.lead().value);
      break;
    case StateType::candidate:
      if (raft.vote() != raft.id())
        return broken(raft, "a candidate that votes for {:x}", raft.vote().value);
      [[fallthrough]];
    case StateType::pre_candidate:
      if (raft.lead() != kNone)
        return broken(raft, "a candidate that follows {:x}", raft.lead().value);
      break;
    case StateType::follower:
      if (raft.lead() == raft.id()) return broken(raft, "a follower of itself");
      break;
  }
  return absl::OkStatus();
}

absl::Status check_progress(const Raft& raft, MemberId id, const Progress& progress) {
  const auto bad = [&](std::string_view rule) {
    return broken(raft, "progress of {:x}: {} [{}]", id.value, rule, describe(progress));
  };
  if (progress.match >= progress.next) return bad("match < next");
  if (raft.state() != StateType::leader) return absl::OkStatus();
  const Index last = raft.log().last_index();
  if (progress.match > last) return bad("match lies in the log");
  switch (progress.state) {
    case ProgressState::snapshot:
      if (progress.pending_snapshot == Index(0)) return bad("a pending snapshot in snapshot state");
      // Lower after a stale refusal; it is set anew when this state ends.
      if (progress.next > std::max(progress.pending_snapshot, progress.match) + 1)
        return bad("next lies no further than the snapshot");
      break;
    case ProgressState::probe:
    case ProgressState::replicate:
      if (progress.pending_snapshot != Index(0)) return bad("no pending snapshot");
      if (progress.next > last + 1) return bad("next lies in the log");
      break;
  }
  if (progress.state != ProgressState::replicate && progress.inflights.count() > 0)
    return bad("a window only while replicating");
  if (progress.inflights.count() > static_cast<size_t>(progress.inflights.max_messages()))
    return bad("the window is bounded");
  return absl::OkStatus();
}

absl::Status check_members(const Raft& raft) {
  const TrackerConfig& config = raft.tracker().config;
  for (const auto& [id, progress] : raft.tracker().progress) {
    const bool learner = config.learners.contains(id);
    if (learner == config.voters.contains(id) || learner != progress.is_learner)
      return broken(raft, "{:x} has no single role in {}", id.value, describe(config));
    if (absl::Status status = check_progress(raft, id, progress); !status.ok()) return status;
  }
  const size_t members = config.voters.size() + config.learners.size();
  if (members != raft.tracker().progress.size())
    return broken(raft, "members without progress in {}", describe(config));
  for (MemberId id : config.learners_next) {
    if (!config.voters.outgoing.contains(id))
      return broken(raft, "{:x} is to be a learner but leaves nothing", id.value);
  }
  if (!config.joint() && config.auto_leave) return broken(raft, "nothing to leave automatically");
  return absl::OkStatus();
}

uint64_t digest(const Entry& entry) {
  // As FNV-1a, but eight bytes a step, folded; never 0, which stands for not known.
  uint64_t hash = 0xcbf29ce484222325u ^ static_cast<uint64_t>(entry.type) ^ entry.data.size() << 8;
  for (std::string_view rest = entry.data.view(); !rest.empty();) {
    uint64_t word = 0;
    const size_t size = std::min(rest.size(), sizeof word);
    std::memcpy(&word, rest.data(), size);
    rest.remove_prefix(size);
    hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
    hash ^= hash >> 32;
  }
  return hash == 0 ? 1 : hash;
}

}  // namespace

Invariants::Ends Invariants::ends_of(const Log& log) {
  const Index last = log.last_index();
  const Index committed = log.committed();
  const Term last_term = log.term_or_zero(last);
  return {.last = {last_term, last},
          .committed = {committed == last ? last_term : log.term_or_zero(committed), committed}};
}

absl::Status Invariants::check_log(const Raft& raft, const Ends& ends) {
  const Log& log = raft.log();
  const Index last = ends.last.index;
  if (log.applied() > log.applying() || log.applying() > log.committed() ||
      log.committed() > last) {
    return broken(raft, "log positions out of order: {}, last={}", describe(log), last.value);
  }
  if (log.first_index() > last + 1)
    return broken(raft, "first index {} behind last {}", log.first_index().value, last.value);
  const Unstable& unstable = log.unstable();
  if (unstable.offset() > unstable.offset_in_progress() ||
      unstable.offset_in_progress() > unstable.offset() + unstable.size()) {
    return broken(raft, "unstable log out of order: {}", describe(log));
  }
  if (ends.last.term > raft.term())
    return broken(raft, "last entry has the future term {}", ends.last.term.value);
  if (ends.committed.term > ends.last.term)
    return broken(raft, "terms fall behind the committed index");
  return absl::OkStatus();
}

absl::Status Invariants::check_changes(const Raft& raft, const Ends& ends) const {
  if (raft.term() < seen_.term) return broken(raft, "term fell from {}", seen_.term.value);
  const Log& log = raft.log();
  if (log.committed() < seen_.committed.index)
    return broken(raft, "commit fell from {}", seen_.committed.index.value);
  if (log.applied() < seen_.applied)
    return broken(raft, "applied fell from {}", seen_.applied.value);
  // Where an end has not moved, its entry need not be looked up again.
  const auto term_now = [&](Index index) -> StorageResult<Term> {
    if (index == ends.committed.index) return ends.committed.term;
    if (index == ends.last.index) return ends.last.term;
    return log.term(index);
  };
  const StorageResult<Term> still = term_now(seen_.committed.index);
  if (still.ok() && *still != seen_.committed.term) {
    return broken(raft, "committed entry {} changed from term {} to {}",
                  seen_.committed.index.value, seen_.committed.term.value, still->value);
  }
  if (raft.term() != seen_.term) return absl::OkStatus();
  if (seen_.vote != kNone && raft.vote() != seen_.vote) {
    return broken(raft, "voted for {:x} and then for {:x}", seen_.vote.value, raft.vote().value);
  }
  if (seen_.lead != kNone && raft.lead() != kNone && raft.lead() != seen_.lead) {
    return broken(raft, "two leaders in one term: {:x} and {:x}", seen_.lead.value,
                  raft.lead().value);
  }
  if (seen_.state == StateType::leader && raft.state() == StateType::leader) {
    const StorageResult<Term> kept = term_now(seen_.last.index);
    if (ends.last.index < seen_.last.index || (kept.ok() && *kept != seen_.last.term)) {
      return broken(raft, "a leader dropped or replaced its entry {}", seen_.last.index.value);
    }
    if (log.committed() > seen_.committed.index && ends.committed.term != raft.term())
      return broken(raft, "a leader committed entry {} of an older term by counting", log.committed().value);
  }
  return absl::OkStatus();
}

void Invariants::remember(const Raft& raft, const Ends& ends) {
  const bool same_term = has_seen_ && seen_.term == raft.term();
  const MemberId lead = raft.lead() == kNone && same_term ? seen_.lead : raft.lead();
  seen_ = {.term = raft.term(),
           .vote = raft.vote(),
           .lead = lead,
           .state = raft.state(),
           .last = ends.last,
           .committed = ends.committed,
           .applied = raft.log().applied()};
  has_seen_ = true;
}

absl::Status Invariants::check(const Raft& raft) {
  const Ends ends = ends_of(raft.log());
  absl::Status status = check_log(raft, ends);
  if (status.ok()) status = check_role(raft);
  if (status.ok()) status = check_members(raft);
  if (status.ok() && has_seen_) status = check_changes(raft, ends);
  if (!status.ok()) return status;
  remember(raft, ends);
  return absl::OkStatus();
}

void Invariants::restarted() {
  // Term, vote and known leader are kept: nothing may be acted on before it is durable. But a term
  // or vote that nobody was told of may be lost with the process, so they are not compared either;
  // the cluster's rules see what was told.
  has_seen_ = false;
}

absl::Status ClusterInvariants::check(const Raft& raft) {
  Member& member = members_[raft.id()];
  absl::Status status = check_leader(raft, member);
  if (status.ok()) status = check_committed(raft, member);
  member.term = raft.term();
  member.state = raft.state();
  return status;
}

absl::Status ClusterInvariants::check_leader(const Raft& raft, const Member& before) {
  if (raft.lead() != kNone) {
    const auto [at, fresh] = reigns_.emplace(raft.term(), Reign{raft.lead()});
    if (at->second.leader != raft.lead()) {
      return broken(raft, "Election Safety: both {:x} and {:x} lead the term", at->second.leader.value,
                    raft.lead().value);
    }
  }
  if (raft.state() != StateType::leader) return absl::OkStatus();
  if (before.state == StateType::leader && before.term == raft.term()) return absl::OkStatus();
  if (std::exchange(reigns_[raft.term()].begun, true))
    return broken(raft, "Election Safety: it leads term {} for the second time", raft.term().value);
  // Leader Completeness. The last entry that was committed in an earlier term stands for all before
  // it.
  for (size_t i = entries_.size(); i-- > 0;) {
    if (entries_[i].seen_in_term >= raft.term()) continue;
    const Index index = first_ + i;
    const StorageResult<Term> term = raft.log().term(index);
    if (term.is(StorageError::compacted)) break;
    if (!term.ok() || *term != entries_[i].term) {
      return broken(raft, "Leader Completeness: the committed entry {} of term {} is missing",
                    index.value, entries_[i].term.value);
    }
    break;
  }
  return absl::OkStatus();
}

absl::Status ClusterInvariants::check_committed(const Raft& raft, Member& member) {
  const Log& log = raft.log();
  const Index committed = log.committed();
  // After a restart the commit index may be lower, and what is committed again is compared again.
  if (member.committed == committed) return absl::OkStatus();
  Index from = std::min(member.committed, committed) + 1;
  if (from < log.first_index()) {
    // Skipped by a snapshot: its last entry is what can be compared.
    const Index at = log.first_index() - 1;
    if (at <= committed && at > Index(0)) {
      absl::Status status = compare(raft, at, {log.term_or_zero(at), 0, raft.term()});
      if (!status.ok()) return status;
    }
    from = log.first_index();
  }
  absl::Status status;
  const bool complete = log.scan(from, committed + 1, kNoLimit, [&](const Entries& entries) {
    for (const Entry& entry : entries) {
      status = compare(raft, entry.index, {entry.term, digest(entry), raft.term()});
      if (!status.ok()) return false;
    }
    return true;
  });
  if (!complete) return broken(raft, "committed entries are missing from {} on", from.value);
  member.committed = committed;
  return status;
}

absl::Status ClusterInvariants::compare(const Raft& raft, Index index, Committed entry) {
  if (index < first_) return absl::OkStatus();
  const uint64_t position = index - first_;
  if (position > entries_.size()) {
    // Nobody was seen to commit what lies between: start over from here.
    entries_.clear();
    first_ = index;
    entries_.push_back(entry);
    return absl::OkStatus();
  }
  if (position == entries_.size()) {
    entries_.push_back(entry);
    if (entries_.size() > kWindow) {
      entries_.pop_front();
      ++first_;
    }
    return absl::OkStatus();
  }
  Committed& known = entries_[position];
  if (known.term != entry.term ||
      (known.digest != 0 && entry.digest != 0 && known.digest != entry.digest)) {
    return broken(raft, "State Machine Safety: entry {} was committed with another content (term {}, digest {:x}; here {}, {:x})",
                  index.value, known.term.value, known.digest, entry.term.value, entry.digest);
  }
  if (known.digest == 0) known.digest = entry.digest;
  known.seen_in_term = std::min(known.seen_in_term, entry.seen_in_term);
  return absl::OkStatus();
}

absl::Status ClusterInvariants::check_log_matching(const Raft& a, const Raft& b) {
  const Index low = std::max(a.log().first_index(), b.log().first_index());
  const Index high = std::min(a.log().last_index(), b.log().last_index());
  if (high < low) return absl::OkStatus();
  const StorageResult<Entries> ours = a.log().slice(low, high + 1, kNoLimit);
  const StorageResult<Entries> theirs = b.log().slice(low, high + 1, kNoLimit);
  bool matched = false;
  for (size_t i = ours->size(); i-- > 0;) {
    const Entry& x = (*ours)[i];
    const Entry& y = (*theirs)[i];
    if (x.term == y.term) matched = true;
    if (matched && !(x == y)) {
      return broken(a, "Log Matching: entry {} differs from that of {:x}", x.index.value,
                    b.id().value);
    }
  }
  return absl::OkStatus();
}

}  // namespace holdfast::raft
