// The alarm command (parity MNT-01). Its answer has no header here: etcd leaves it to the RPC.
#include "apply/state_machine.h"
#include "raft_internal.pb.h"

namespace holdfast::apply {

namespace pb = etcdserverpb;

void StateMachine::apply_alarm(const ParsedRequest& request, bool has_waiter, Result& result) {
  const pb::AlarmRequest& command = request.message().alarm();
  const Alarm alarm{MemberId(command.memberid()), static_cast<AlarmType>(command.alarm())};
  auto response = std::make_unique<pb::AlarmResponse>();
  const auto tell = [&](const Alarm& which) {
    pb::AlarmMember& member = *response->add_alarms();
    member.set_memberid(which.member.value);
    member.set_alarm(static_cast<pb::AlarmType>(which.type));
  };
  switch (command.action()) {
    case pb::AlarmRequest::GET:
      for (const Alarm& active : alarms_.list(alarm.type)) tell(active);
      break;
    case pb::AlarmRequest::ACTIVATE:
      if (alarm.type == AlarmType::none) break;
      alarms_.activate(alarm, *backend_);
      tell(alarm);
      break;
    case pb::AlarmRequest::DEACTIVATE:
      if (alarms_.deactivate(alarm, *backend_)) tell(alarm);
      break;
    default:
      break;
  }
  if (observer_ != nullptr && command.action() != pb::AlarmRequest::GET)
    observer_->on_alarms_changed();
  if (has_waiter) result.response = std::move(response);
}

}  // namespace holdfast::apply
