// The general search for a linearization (Wing & Gong; Lowe's memory of states visited, as in Porcupine): tries every
// order that real time allows. Knows nothing of revisions, so it is the oracle for linearizability.h; exponential, for
// small histories of changes and reads of the present.
#pragma once

#include "sim/history.h"
#include "sim/verdict.h"

namespace holdfast::sim {

// Up to 64 operations. Serializable reads, reads of the past and compactions are passed over.
Verdict search_linearization(const History& history);

}  // namespace holdfast::sim
