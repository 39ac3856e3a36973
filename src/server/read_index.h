// Linearizable reads in batches (etcd server/etcdserver/read; parity RD-01..07). Runs on the raft owner's executor,
// but for add().
//
// One round at a time: all readers that came before a round share its read index; those who come while it is under way
// share the next one. A round asks raft for the commit index under a fresh request id and asks again, under another id,
// every 500 ms and when the leader has committed its first entry of the term; an answer to any id of the round counts.
// A confirmed round's readers are answered when its index is applied; the next round does not wait for that.
#pragma once

#include <deque>
#include <mutex>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "base/log.h"
#include "env/metrics.h"
#include "raft/ready.h"
#include "server/raft_board.h"
#include "server/request_id.h"
#include "server/request_path.h"

namespace holdfast::server {

// How a round reaches raft: may be lost.
class ReadIndexRequester {
 public:
  virtual ~ReadIndexRequester() = default;
  virtual void request_read_index(uint64_t request_id) = 0;
};

class ReadIndex {
 public:
  struct Options {
    env::Duration request_timeout;  // ReqTimeout
    env::Duration retry = std::chrono::milliseconds(500);
  };
  ReadIndex(env::Executor& executor, RequestIdGenerator& ids, const RaftBoard& board,
            ReadIndexRequester& raft, Logger& log, env::Metrics& metrics, Options options);
  ~ReadIndex();

  struct Reader {
    env::Executor* reply_on;
    ReadDone done;
  };
  // Any thread.
  void add(Reader reader);

  void on_read_states(const std::vector<raft::ReadState>& states);
  void on_leader_change();
  void on_first_commit_in_term();
  void on_applied();
  // Answers all readers with `status`, and all that come later.
  void close(const absl::Status& status);

 private:
  struct Round {
    std::vector<Reader> readers;
    absl::flat_hash_set<uint64_t> ids;
    env::Instant deadline;
  };
  struct Confirmed {
    Index index;
    std::vector<Reader> readers;
  };
  void take_arrived();
  void begin_round();
  void request();
  void on_retry_timer();
  void finish_round(absl::Status status);
  void confirm(Index index);
  static void answer(std::vector<Reader>& readers, const absl::Status& status);

  env::Executor& executor_;
  RequestIdGenerator& ids_;
  const RaftBoard& board_;
  ReadIndexRequester& raft_;
  Logger& log_;
  env::Counter& slow_;
  env::Counter& failed_;
  const Options options_;

  std::mutex mutex_;              // guards arrived_
  std::vector<Reader> arrived_;   // not taken yet
  std::vector<Reader> next_;      // wait for the next round
  bool in_round_ = false;
  Round round_;
  std::deque<Confirmed> confirmed_;  // rising by index; wait for apply
  env::TimerId retry_timer_ = 0;
  absl::Status closed_;
};

}  // namespace holdfast::server
