// Which Holdfast this is, and which etcd it matches.
#pragma once

#include <string_view>

namespace holdfast::config {

inline constexpr std::string_view kEtcdVersion = "3.7.1";
inline constexpr std::string_view kEtcdClusterVersion = "3.7.0";
extern const std::string_view kHoldfastVersion;
#if defined(__aarch64__)
inline constexpr std::string_view kPlatform = "linux/arm64";
#else
inline constexpr std::string_view kPlatform = "linux/amd64";
#endif
std::string_view git_sha();   // of the source tree at the build; "unknown" outside git
std::string_view compiler();  // "g++ 12.2.0"

}  // namespace holdfast::config
