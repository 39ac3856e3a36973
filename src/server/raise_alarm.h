// A member's own alarms: no room, or data that differ from the others' (etcd server.go, corrupt.go; parity GEN-15, OPS-14).
#pragma once

#include "base/task.h"
#include "rpc.pb.h"
#include "server/request_path.h"

namespace holdfast::server {

// Proposes `alarm` for `member`. `done` runs on `reply_on`: OK when the alarm is up.
void raise_alarm(Proposer& proposer, env::Executor& reply_on, MemberId member, etcdserverpb::AlarmType alarm,
                 UniqueFunction<void(const absl::Status&)> done);

}  // namespace holdfast::server
