#include "backend/bucket.h"

namespace holdfast::backend {

std::string_view name(Bucket bucket) {
  static constexpr std::array<std::string_view, kBucketCount> kNames = {
      "key",  "meta",      "lease",    "alarm", "cluster", "members", "members_removed",
      "auth", "authUsers", "authRoles"};
  return kNames[static_cast<size_t>(bucket)];
}

}  // namespace holdfast::backend
