#include "server/purger.h"

#include "base/errors.h"
#include "wal/snap_file.h"

namespace holdfast::server {

namespace {
constexpr env::Duration kInterval = std::chrono::seconds(30);
}

Purger::Purger(env::Executor& executor, env::FileSystem& files, env::Process& process, Logger& log,
               Options options)
    : executor_(executor), files_(files), process_(process), log_(log), options_(std::move(options)) {}

Purger::~Purger() { executor_.cancel(timer_); }

void Purger::start() {
  executor_.post([this] { purge(); });
}

void Purger::stop() {
  executor_.post([this] {
    stopped_ = true;
    executor_.cancel(std::exchange(timer_, 0));
  });
}

void Purger::purge() {
  if (stopped_) return;
  struct Target {
    const std::string& directory;
    wal::PurgeRule rule;
  };
  const Target targets[] = {
      {options_.wal_dir, {".wal", options_.keep_wals, wal::Locks::respected}},
      // No received databases: one may wait to be installed while later ones come. Snapshotter::release_databases() removes
      // those that nothing needs any more.
      {options_.snap_dir, {".snap", options_.keep_snaps, wal::Locks::ignored}},
  };
  for (const Target& target : targets) {
    const absl::StatusOr<size_t> gone = wal::purge(files_, log_, target.directory, target.rule);
    if (!gone.ok()) process_.die(message(gone.status()));
  }
  timer_ = executor_.post_after(kInterval, [this] { purge(); });
}

}  // namespace holdfast::server
