// A name service that knows what the test says.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "env/name_resolver.h"

namespace holdfast::server {

class FakeNames : public env::NameResolver {
 public:
  // An IP address stands for itself.
  absl::StatusOr<std::vector<std::string>> addresses(const std::string& host) override {
    asked.push_back(host);
    if (const auto it = hosts.find(host); it != hosts.end()) return it->second;
    if (host.find_first_not_of("0123456789.") == std::string::npos) return std::vector<std::string>{host};
    return absl::NotFoundError("lookup " + host + ": no such host");
  }
  absl::StatusOr<std::vector<Service>> services(const std::string& name) override {
    asked.push_back(name);
    if (const auto it = records.find(name); it != records.end()) return it->second;
    return absl::NotFoundError("lookup " + name + ": no such host");
  }

  std::map<std::string, std::vector<std::string>> hosts;
  std::map<std::string, std::vector<Service>> records;
  std::vector<std::string> asked;
};

}  // namespace holdfast::server
