#include "server/raise_alarm.h"

#include <utility>

namespace holdfast::server {

void raise_alarm(Proposer& proposer, env::Executor& reply_on, MemberId member, etcdserverpb::AlarmType alarm,
                 UniqueFunction<void(const absl::Status&)> done) {
  etcdserverpb::AlarmRequest request;
  request.set_memberid(member.value);
  request.set_action(etcdserverpb::AlarmRequest::ACTIVATE);
  request.set_alarm(alarm);
  proposer.propose({.reply_on = &reply_on}, Command::alarm, request.SerializeAsString(),
                   [done = std::move(done)](std::unique_ptr<apply::Result> result) mutable { done(result->status); });
}

}  // namespace holdfast::server
