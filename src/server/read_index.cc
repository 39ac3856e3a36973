#include "server/read_index.h"

#include <algorithm>
#include <iterator>

#include "base/errors.h"
#include "base/mutant.h"
#include "base/wire.h"
#include "server/deliveries.h"

namespace holdfast::server {

ReadIndex::ReadIndex(env::Executor& executor, RequestIdGenerator& ids, const RaftBoard& board,
                     ReadIndexRequester& raft, Logger& log, env::Metrics& metrics, Options options)
    : executor_(executor),
      ids_(ids),
      board_(board),
      raft_(raft),
      log_(log),
      slow_(metrics.counter("etcd_server_slow_read_indexes_total",
                            "Pending read indexes not in sync with leader's or timed out.")),
      failed_(metrics.counter("etcd_server_read_indexes_failed_total", "Failed read indexes.")),
      options_(options) {}

ReadIndex::~ReadIndex() { executor_.cancel(retry_timer_); }

void ReadIndex::add(Reader reader) {
  bool first = false;
  {
    std::lock_guard lock(mutex_);
    first = arrived_.empty();
    arrived_.push_back(std::move(reader));
  }
  // One task for all that come until it runs.
  if (first) executor_.post([this] { take_arrived(); });
}

void ReadIndex::take_arrived() {
  {
    std::lock_guard lock(mutex_);
    if (next_.empty()) {
      next_.swap(arrived_);
    } else {
      std::move(arrived_.begin(), arrived_.end(), std::back_inserter(next_));
      arrived_.clear();
    }
  }
  if (!closed_.ok()) return answer(next_, closed_);
  begin_round();
}

void ReadIndex::begin_round() {
  if (in_round_ || next_.empty() || !closed_.ok()) return;
  in_round_ = true;
  round_.readers.swap(next_);
  round_.ids.clear();
  round_.deadline = executor_.now() + options_.request_timeout;
  request();
}

void ReadIndex::request() {
  // Every request gets an id of its own: an answer to an id sent before a pause of this process must not be taken for
  // an answer to one sent after it (RD-03).
  const uint64_t id = mutant("server.read_index_id_reused") ? 1 : ids_.next();
  round_.ids.insert(id);
  executor_.cancel(retry_timer_);
  retry_timer_ = executor_.post_after(options_.retry, [this] { on_retry_timer(); });
  raft_.request_read_index(id);
}

void ReadIndex::on_retry_timer() {
  retry_timer_ = 0;
  if (!in_round_) return;
  if (executor_.now() >= round_.deadline) {
    log_.warn("timed out waiting for read index response (local node might have slow network)");
    slow_.increment();
    failed_.increment();
    finish_round(error(EtcdError::timeout));
    return;
  }
  log_.warn("waiting for ReadIndex response took too long, retrying");
  request();
}

void ReadIndex::on_read_states(const std::vector<raft::ReadState>& states) {
  for (const raft::ReadState& state : states) {
    const std::string_view context = state.request_context;
    const uint64_t id = context.size() == 8 ? wire::read_be64(context.data()) : 0;
    if (!in_round_ || !round_.ids.contains(id)) {
      // An answer to a round that is over: late, and of no use.
      slow_.increment();
      continue;
    }
    confirm(state.index);
  }
}

void ReadIndex::confirm(Index index) {
  if (board_.applied() >= index) {
    finish_round(absl::OkStatus());
    return;
  }
  if (!confirmed_.empty() && confirmed_.back().index > index) index = confirmed_.back().index;
  confirmed_.push_back({index, std::move(round_.readers)});
  round_.readers.clear();
  finish_round(absl::OkStatus());
}

void ReadIndex::on_applied() {
  const Index applied = board_.applied();
  while (!confirmed_.empty() && confirmed_.front().index <= applied) {
    answer(confirmed_.front().readers, absl::OkStatus());
    confirmed_.pop_front();
  }
}

void ReadIndex::on_leader_change() {
  // RD-04: also a round whose answer may be on its way fails; it may come from the old leader.
  if (in_round_) {
    failed_.increment();
    finish_round(error(EtcdError::leader_changed));
  }
}

void ReadIndex::on_first_commit_in_term() {
  if (in_round_) request();
}

void ReadIndex::finish_round(absl::Status status) {
  in_round_ = false;
  executor_.cancel(std::exchange(retry_timer_, 0));
  answer(round_.readers, status);
  begin_round();
}

void ReadIndex::answer(std::vector<Reader>& readers, const absl::Status& status) {
  Deliveries<ReadDone> deliveries(readers.size());
  for (Reader& reader : readers) deliveries.add(*reader.reply_on, std::move(reader.done));
  readers.clear();
  deliveries.post([status](ReadDone& done) { done(status); });
}

void ReadIndex::close(const absl::Status& status) {
  closed_ = status;
  executor_.cancel(std::exchange(retry_timer_, 0));
  in_round_ = false;
  answer(round_.readers, status);
  answer(next_, status);
  for (Confirmed& confirmed : confirmed_) answer(confirmed.readers, status);
  confirmed_.clear();
}

}  // namespace holdfast::server
