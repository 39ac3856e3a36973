// Whether this member is surely the leader still (etcd ensureLeadership; parity LEA-07). A leader whose ticks come on
// time is believed: it would have stepped down without a quorum (check_quorum). One that was stopped for a while, by its
// disk or by the system, may have been replaced without knowing it, and asks the others by a read index.
// Thread-safe.
#pragma once

#include <string>
#include <utility>

#include "base/errors.h"
#include "base/log.h"
#include "server/raft_board.h"
#include "server/request_path.h"

namespace holdfast::server {

class Leadership {
 public:
  Leadership(const RaftBoard& board, LinearizableReader& reader, Logger& log, MemberId self,
             env::Duration heartbeat_interval)
      : board_(board), reader_(reader), log_(log), self_(self), heartbeat_(heartbeat_interval) {}

  bool is_leader() const { return board_.is_leader(); }
  bool ticks_on_time(env::Instant now) const {
    constexpr int kLateTicks = 3;
    return now - board_.ticked() <= kLateTicks * heartbeat_;
  }
  // `done(bool)` on `reply_on`; inside the call if the ticks are on time.
  template <class Done>
  void ensure(env::Executor& reply_on, Done done) const {
    if (ticks_on_time(reply_on.now())) return done(true);
    reader_.wait_read({.reply_on = &reply_on},
                      [this, done = std::move(done)](const absl::Status& status) mutable {
                        const bool leads = status.ok() && board_.lead() == self_;
                        if (!leads)
                          log_.warn("Failed to check current member's leadership",
                                    {{"error", status.ok() ? std::string("it isn't the leader")
                                                           : std::string(message(status))}});
                        done(leads);
                      });
  }

 private:
  const RaftBoard& board_;
  LinearizableReader& reader_;
  Logger& log_;
  const MemberId self_;
  const env::Duration heartbeat_;
};

}  // namespace holdfast::server
