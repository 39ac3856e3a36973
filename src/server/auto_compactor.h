// Compacts on its own (etcd v3compactor; parity OPS-12, OPS-13, TRP-69). Two ways to choose the revision:
//  - periodic: the revision of `period` ago, sampled ten times in min(period, 1 h). First after a whole period, then
//    every min(period, 1 h);
//  - revision: all but the last `revisions`, every five minutes.
// Only the leader compacts; others pause. A failed compaction is tried again at the next step.
#pragma once

#include <deque>
#include <functional>

#include "base/log.h"
#include "env/executor.h"
#include "server/chore.h"
#include "server/request_path.h"

namespace holdfast::server {

struct AutoCompaction {
  enum class Mode : uint8_t { off, periodic, revision };
  Mode mode = Mode::off;
  env::Duration period{};
  int64_t revisions = 0;
};

class AutoCompactor : public Chore {
 public:
  struct Parts {
    env::Executor& executor;
    Proposer& proposer;
    std::function<Revision()> current_revision;
    std::function<bool()> is_leader;
    Logger& log;
  };
  AutoCompactor(Parts parts, AutoCompaction options);
  ~AutoCompactor() override;

  std::string_view name() const override { return "auto-compaction"; }
  void start() override;
  void stop() override;

 private:
  void step();
  void step_periodic();
  void step_revision();
  void compact(Revision revision);
  void on_compacted(Revision revision, const absl::Status& status, env::Instant began);
  void sample();
  env::Duration interval() const;

  Parts parts_;
  const AutoCompaction options_;
  const env::Duration compact_interval_;  // between two periodic compactions
  bool stopped_ = false;
  bool compacting_ = false;
  env::TimerId timer_ = 0;
  std::deque<Revision> samples_;  // front: the revision of a period ago
  Revision last_;
  env::Instant last_success_;
  env::Duration wait_;  // until the next periodic compaction: a whole period at first
};

}  // namespace holdfast::server
