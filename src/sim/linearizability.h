// Is there an order of all operations that respects real time and in which each answer is what the model answers?
//
// The question is hard in general, but etcd's answers carry the store's revision, and each change makes exactly one. So
// the place of every acknowledged change is known, and of every read too: between two revisions. What is left to find is
// which operations of unknown outcome made the revisions that nobody acknowledged (gaps). That is a depth-first search
// over the gaps, with memory of the states that led nowhere; answers that show a pair with a gap's revision say what the
// gap must have written, and answers that show an older pair say what it cannot have.
//
// Serializable reads must show the state of their revision, one that existed when they returned. Reads of an older
// revision must show that one. Compactions are no part of the order: only that they are not undone is checked.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "sim/history.h"
#include "sim/verdict.h"
#include "sim/watch_checker.h"

namespace holdfast::sim {

struct LinearizabilityLimits {
  uint64_t states_max = 2'000'000;  // visited by the search, then it is given up
};

// What a member's store says that each revision changed; revisions may be missing.
using ChangesByRevision = std::map<int64_t, std::vector<WatchEvent>>;

// A history from the store's beginning (revision 1), all clients that changed it included. With `changes`, only orders that
// agree with them will do: a stricter question, and a much easier one, since they say what the gaps wrote.
Verdict check_linearizable(const History& history, const LinearizabilityLimits& limits = {},
                           const ChangesByRevision& changes = {});

}  // namespace holdfast::sim
