// holdfast-sim --check-history.
#pragma once

#include <string>

namespace holdfast {

// Judges the file (sim/history_file.h) and says so on stdout, or on stderr why it can't be read. 0: it is good; 1: it is not,
// or can't be decided; 2: it is no history.
int check_history(const std::string& path);

}  // namespace holdfast
