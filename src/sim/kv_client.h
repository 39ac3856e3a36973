// The model's operations as etcd's requests: hands one to a member as an RPC would, and reads the answer back.
#pragma once

#include "base/task.h"
#include "server/v3_server.h"
#include "sim/history.h"

namespace holdfast::sim {

struct KvAnswer {
  Outcome outcome = Outcome::unknown;
  KvResult result;
  absl::Status status;     // as the client sees it
  int64_t ttl_seconds = 0;  // of a lease that was granted
};
using KvAnswered = UniqueFunction<void(KvAnswer)>;

// On context.reply_on; answers there, once, or never if the member ends first. `lease`: of what a put leaves behind.
void perform(server::V3Server& server, const server::CallContext& context, const KvOp& op, int64_t lease,
             KvAnswered answered);

// The same for leases; never part of the model.
void grant_lease(server::V3Server& server, const server::CallContext& context, int64_t id, int64_t ttl_seconds,
                 KvAnswered answered);
void revoke_lease(server::V3Server& server, const server::CallContext& context, int64_t id, KvAnswered answered);

// What an error says about whether the operation happened.
Outcome outcome_of(const KvOp& op, const absl::Status& status);

}  // namespace holdfast::sim
