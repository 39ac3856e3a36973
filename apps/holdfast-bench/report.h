// The outcome of a load as text for people and as JSON for tools. Pure.
#pragma once

#include <string>

#include "apps/holdfast-bench/load.h"

namespace holdfast::bench {

std::string to_text(const Options& options, const Outcome& outcome);
// One object, one line. Times in microseconds, `seconds` in seconds.
std::string to_json(const Options& options, const Outcome& outcome);

}  // namespace holdfast::bench
