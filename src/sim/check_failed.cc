// In a simulation a broken CHECK ends the member that broke it, not the run: replaces base/check.cc in whatever links this
// library. The executor catches it, the run knows whether that member had an excuse (a disk that lied) or not.
#include "base/check.h"
#include "sim/process.h"

namespace holdfast {

void check_failed(const char* file, int line, const char* condition, std::string_view message) {
  throw sim::ProcessDied{fmt::format("CHECK failed at {}:{}: {}{}{}", file, line, condition,
                                     message.empty() ? "" : ": ", message)};
}

}  // namespace holdfast
