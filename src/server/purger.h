// Every 30 seconds deletes log and snapshot files beyond the number to keep (parity DIR-04). Log files that are still
// needed are locked and stay; received databases are not its business (wal::Snapshotter). Runs on the executor of
// background work.
#pragma once

#include <string>

#include "base/log.h"
#include "env/executor.h"
#include "env/file_system.h"
#include "env/process.h"
#include "server/chore.h"

namespace holdfast::server {

class Purger : public Chore {
 public:
  struct Options {
    std::string wal_dir;
    std::string snap_dir;
    size_t keep_wals;   // 0: all
    size_t keep_snaps;  // 0: all
  };
  Purger(env::Executor& executor, env::FileSystem& files, env::Process& process, Logger& log,
         Options options);
  ~Purger() override;

  std::string_view name() const override { return "purge"; }
  void start() override;
  void stop() override;

 private:
  void purge();

  env::Executor& executor_;
  env::FileSystem& files_;
  env::Process& process_;
  Logger& log_;
  const Options options_;
  env::TimerId timer_ = 0;
  bool stopped_ = false;
};

}  // namespace holdfast::server
