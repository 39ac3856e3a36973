// The cluster's alarms (etcd v3alarm; parity MNT-01..03, BKT-05): raised and cleared through the log, kept in the bucket
// `alarm`, on every member alike.
#pragma once

#include <atomic>
#include <compare>
#include <mutex>
#include <optional>
#include <set>
#include <vector>

#include "backend/backend.h"
#include "base/types.h"
#include "env/metrics.h"

namespace holdfast::apply {

// Values are etcdserverpb.AlarmType's; others that a newer member may send are kept as they are.
enum class AlarmType : int { none = 0, nospace = 1, corrupt = 2 };

struct Alarm {
  MemberId member;
  AlarmType type = AlarmType::none;
  bool operator==(const Alarm&) const = default;
};

class AlarmStore {
 public:
  explicit AlarmStore(env::Metrics& metrics) : metrics_(metrics) {}

  // --- any thread ---

  // By type, then by member; `none`: all.
  std::vector<Alarm> list(AlarmType type = AlarmType::none) const;
  bool has_nospace() const { return nospace_.load(std::memory_order_acquire) > 0; }
  bool has_corrupt() const { return corrupt_.load(std::memory_order_acquire) > 0; }

  // --- apply owner ---

  // Forgets everything and reads the bucket. Records that are no alarm are an error (DataLoss).
  absl::Status restore(backend::ReadView& view);
  // Writes the record, unless it is there already.
  void activate(const Alarm& alarm, backend::Backend& backend);
  // False if there is no such alarm; 0 as a member is a member (MNT-01).
  bool deactivate(const Alarm& alarm, backend::Backend& backend);

 private:
  struct Order {
    bool operator()(const Alarm& a, const Alarm& b) const {
      return a.type != b.type ? a.type < b.type : a.member < b.member;
    }
  };
  void count(AlarmType type, int change);
  void show(const Alarm& alarm, double value);  // MET-30

  env::Metrics& metrics_;
  mutable std::mutex mutex_;  // guards alarms_
  std::set<Alarm, Order> alarms_;
  std::atomic<int> nospace_ = 0;
  std::atomic<int> corrupt_ = 0;
};

}  // namespace holdfast::apply
