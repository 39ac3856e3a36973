// What a member is made of before it runs: its data directory, its log and its backend, founded or reopened, taken over from
// etcd, or brought to a snapshot that was received before a crash (etcd server/etcdserver/bootstrap.go).
#pragma once

#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "backend/engine.h"
#include "server/bootstrap.h"
#include "server/member.h"

namespace holdfast::server {

struct MemberOrigins {
  Log log;
  std::unique_ptr<backend::Engine> engine;
};

// Arguments as Member::open()'s. Reads and writes files; nothing that was acknowledged is lost by an error.
absl::StatusOr<MemberOrigins> find_origins(const MemberConfig& config, const Member::World& world,
                                           const Member::OpenEngine& open_engine,
                                           std::optional<ClusterOrigin> origin);

}  // namespace holdfast::server
