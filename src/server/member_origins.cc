#include "server/member_origins.h"

#include <utility>

#include "server/etcd_data.h"
#include "server/snapshot_import.h"
#include "server/startup_defragmentation.h"
#include "wal/wal.h"

namespace holdfast::server {

absl::StatusOr<MemberOrigins> find_origins(const MemberConfig& config, const Member::World& world,
                                           const Member::OpenEngine& open_engine,
                                           std::optional<ClusterOrigin> origin) {
  auto directory = prepare_data_directory(world.files, world.log, config);
  if (!directory.ok()) return directory.status();
  if (!directory->has_log && !origin) {
    auto by_flags = origin_by_flags(config);
    if (!by_flags.ok()) return by_flags.status();
    origin = *std::move(by_flags);
  }
  const wal::World wal_world{world.files, world.clock, world.log, world.metrics, world.faults};
  std::optional<EtcdData> etcd_data;
  if (directory->has_etcd_database) {
    auto examined = examine_etcd_data(wal_world, config);
    if (!examined.ok()) return examined.status();
    etcd_data = *std::move(examined);
  }
  // The backend first: its lock is what keeps a second process out before anything is written.
  auto engine = open_engine(config.backend_path());
  if (!engine.ok()) return engine.status();
  // A log without its backend is refused, so the backend's name must last before there is a log.
  if (absl::Status s = world.files.sync_directory(config.snap_dir()); !s.ok()) return s;
  auto log = directory->has_log ? reopen_log(wal_world, config) : begin_log(wal_world, config, *origin);
  if (!log.ok()) return log.status();
  if (etcd_data) engine = take_over_etcd_data(*etcd_data, wal_world, config, *log, *std::move(engine));
  if (!engine.ok()) return engine.status();
  engine = recover_snapshot_backend(world.files, config.snap_dir(), log->snapshot, *std::move(engine), world.log);
  if (!engine.ok()) return engine.status();
  if (absl::Status s = defragment_at_start(**engine, config.bootstrap_defragment_threshold_bytes, world.log); !s.ok())
    return s;
  return MemberOrigins{*std::move(log), *std::move(engine)};
}

}  // namespace holdfast::server
