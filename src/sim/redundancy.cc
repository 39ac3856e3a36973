#include "sim/redundancy.h"

namespace holdfast::sim {

std::optional<Term> settled_term(Machine& machine) {
  if (!machine.serving()) return std::nullopt;
  const raft::Raft& raft = machine.member().node().raft();
  if (raft.state() != raft::StateType::follower || raft.log().last_id().term != raft.term()) return std::nullopt;
  return raft.term();
}

bool others_have_all_of(Machine& machine, const std::vector<std::unique_ptr<Machine>>& machines) {
  if (!settled_term(machine)) return false;
  const raft::Raft& raft = machine.member().node().raft();
  const raft::EntryId last = raft.log().last_id();
  const raft::JointConfig& voters = raft.tracker().config.voters;
  if (raft.lead() == raft::kNone || voters.joint()) return false;
  size_t have_it = 0;
  for (const auto& other : machines) {
    if (other.get() == &machine || !other->serving() || !voters.contains(other->id())) continue;
    const raft::Raft& theirs = other->member().node().raft();
    if (theirs.term() != raft.term() || theirs.vote() != raft.lead()) continue;
    const raft::StorageResult<Term> term = theirs.log().term(last.index);
    // Its vote was written before an entry of that term.
    if (term.ok() && *term == last.term && theirs.log().unstable().offset() > last.index) ++have_it;
  }
  return have_it > voters.incoming.size() / 2;
}

}  // namespace holdfast::sim
