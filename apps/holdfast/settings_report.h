// One line of the log with all settings of a start, under etcd's names (etcd server/embed/etcd.go print): what people and
// etcd's own tests look for.
#pragma once

#include <string>
#include <vector>

#include "apps/holdfast/config.h"
#include "base/log.h"

namespace holdfast::config {

// What became of some of the flags.
struct StartFacts {
  bool member_initialized = false;  // it has lived before; the next two are empty then
  std::string initial_cluster;
  std::string initial_cluster_token;
  std::string local_address;
  std::string member_dir;
  int64_t quota_backend_bytes = 0;
  unsigned cores = 0;
};

// Fields of "starting an etcd server". In place of Go's version it tells Holdfast's and the compiler.
std::vector<LogField> settings_report(const Config& config, const StartFacts& facts);

}  // namespace holdfast::config
