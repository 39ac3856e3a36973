// env::NameResolver over the system's resolver (nsswitch, /etc/hosts, DNS).
#pragma once

#include "env/name_resolver.h"

namespace holdfast::os {

class SystemNameResolver final : public env::NameResolver {
 public:
  absl::StatusOr<std::vector<std::string>> addresses(const std::string& host) override;
  absl::StatusOr<std::vector<Service>> services(const std::string& name) override;
};

// The SRV records in a DNS answer. Exposed for tests: answers come from outside.
absl::StatusOr<std::vector<env::NameResolver::Service>> parse_srv_answer(
    const unsigned char* answer, size_t size);

}  // namespace holdfast::os
