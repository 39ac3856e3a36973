// What was acknowledged is there at the end: looked at with everything healed and all members caught up.
#pragma once

#include <vector>

#include "sim/history.h"
#include "sim/verdict.h"

namespace holdfast::sim {

// `pairs` and `revision`: all of the store at the end. A put that was acknowledged has its pair there, or the key was
// changed later; what was deleted stays deleted unless put later; no pair comes from nowhere.
Verdict check_acknowledged(const History& history, const std::vector<KvPair>& pairs, int64_t revision);

}  // namespace holdfast::sim
