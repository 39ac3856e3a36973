// Operation::watch: watchers, and puts of their keys; what is counted are the events that arrive.
#pragma once

#include "apps/holdfast-bench/load.h"

namespace holdfast::bench {

// `--watchers` of them over connections x streams watch streams, watcher i on key i modulo --key-space. When all are
// created: puts, no more than the watchers keep up with (kEventsUnderWay), for the duration or the number of puts. Outcome:
// `calls` are events, latencies those of the puts. With Options::hold there are no puts:
// the watchers are just there for that time.
Outcome run_watch(const Options& options, const env::Clock& clock);

}  // namespace holdfast::bench
