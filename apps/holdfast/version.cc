#include "apps/holdfast/version.h"

#include "holdfast_git_sha.h"  // written at each build, see CMakeLists.txt

namespace holdfast::config {

std::string_view built_for() {
#if defined(__x86_64__)
  return "amd64";
#elif defined(__aarch64__)
  return "arm64";
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
  return "ppc64le";
#elif defined(__s390x__)
  return "s390x";
#elif defined(__riscv)
  return "riscv64";
#elif defined(__i386__)
  return "386";
#else
  return "unknown";
#endif
}

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
