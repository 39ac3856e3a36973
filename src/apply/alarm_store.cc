#include "apply/alarm_store.h"

#include "base/errors.h"
#include "base/log.h"
#include "fmt/format.h"
#include "rpc.pb.h"

namespace holdfast::apply {

namespace {

namespace pb = etcdserverpb;

std::string record_key(const Alarm& alarm) {
  pb::AlarmMember member;
  member.set_memberid(alarm.member.value);
  member.set_alarm(static_cast<pb::AlarmType>(alarm.type));
  return member.SerializeAsString();
}

std::string label(AlarmType type) {
  const std::string& name = pb::AlarmType_Name(static_cast<pb::AlarmType>(type));
  return name.empty() ? fmt::format("{}", static_cast<int>(type)) : name;
}

}  // namespace

std::vector<Alarm> AlarmStore::list(AlarmType type) const {
  std::vector<Alarm> alarms;
  std::lock_guard lock(mutex_);
  for (const Alarm& alarm : alarms_)
    if (type == AlarmType::none || alarm.type == type) alarms.push_back(alarm);
  return alarms;
}

absl::Status AlarmStore::restore(backend::ReadView& view) {
  std::set<Alarm, Order> alarms;
  bool understood = true;
  view.scan(backend::Bucket::alarm, {}, {}, [&](std::string_view key, std::string_view) {
    pb::AlarmMember member;
    understood = member.ParseFromArray(key.data(), static_cast<int>(key.size()));
    if (understood)
      alarms.insert({MemberId(member.memberid()), static_cast<AlarmType>(member.alarm())});
    return understood;
  });
  if (!understood) return make_status(absl::StatusCode::kDataLoss, "an alarm record is damaged");
  std::lock_guard lock(mutex_);
  for (const Alarm& alarm : alarms_) {
    count(alarm.type, -1);
    show(alarm, 0);
  }
  alarms_ = std::move(alarms);
  for (const Alarm& alarm : alarms_) {
    count(alarm.type, 1);
    show(alarm, 1);
  }
  return absl::OkStatus();
}

void AlarmStore::activate(const Alarm& alarm, backend::Backend& backend) {
  {
    std::lock_guard lock(mutex_);
    if (!alarms_.insert(alarm).second) return;
  }
  backend.put(backend::Bucket::alarm, record_key(alarm), {});
  count(alarm.type, 1);
  show(alarm, 1);
}

bool AlarmStore::deactivate(const Alarm& alarm, backend::Backend& backend) {
  {
    std::lock_guard lock(mutex_);
    if (alarms_.erase(alarm) == 0) return false;
  }
  backend.erase(backend::Bucket::alarm, record_key(alarm));
  count(alarm.type, -1);
  show(alarm, 0);
  return true;
}

void AlarmStore::count(AlarmType type, int change) {
  if (type == AlarmType::nospace) nospace_.fetch_add(change, std::memory_order_acq_rel);
  if (type == AlarmType::corrupt) corrupt_.fetch_add(change, std::memory_order_acq_rel);
}

void AlarmStore::show(const Alarm& alarm, double value) {
  metrics_
      .gauge("etcd_debugging_server_alarms", "Alarms of the cluster's members; 1 while raised.",
             {{"server_id", hex_id(alarm.member.value)}, {"alarm_type", label(alarm.type)}})
      .set(value);
}

}  // namespace holdfast::apply
