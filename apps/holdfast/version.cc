#include "apps/holdfast/version.h"

#include "holdfast_git_sha.h"  // written at each build, see CMakeLists.txt

namespace holdfast::config {

const std::string_view kHoldfastVersion = HOLDFAST_VERSION;

std::string_view git_sha() { return HOLDFAST_GIT_SHA; }

std::string_view compiler() {
#if defined(__clang__)
  return "clang++ " __clang_version__;
#else
  return "g++ " __VERSION__;
#endif
}

}  // namespace holdfast::config
