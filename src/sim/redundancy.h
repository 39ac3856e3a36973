// What a cluster can do without: one member's disk, while a majority of the others has synced all that this member has ever
// promised. Then it may forget its vote and its entries, and vote and acknowledge anew, and nothing is lost by it: every
// quorum to come has an honest member that remembers.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "sim/machine.h"

namespace holdfast::sim {

// True if `machine` follows a leader whom a majority without it voted for, in whose term its own last entry was written, and
// that majority has that entry, and so all before it, on its disks. A vote that only this member gave, or an entry that only
// it and the leader have, is needed: raft loses safety with it, in clusters of any odd size.
bool others_have_all_of(Machine& machine, const std::vector<std::unique_ptr<Machine>>& machines);

// The term of a follower whose last entry is of that term. While it stays in it, its log only grows: what it may forget has
// replaced nothing. One that forgot that an entry was replaced would commit the old one, since the leader knows it as matching.
std::optional<Term> settled_term(Machine& machine);

}  // namespace holdfast::sim
