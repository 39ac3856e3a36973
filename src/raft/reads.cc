// The leader's part in linearizable reads (Raft thesis 6.4, RAL-09).
#include "raft/raft.h"

#include "base/mutant.h"

namespace holdfast::raft {

bool Raft::committed_in_current_term() const {
  return log_.term_or_zero(log_.committed()) == term_;
}

void Raft::handle_read_index(Message message) {
  // The only voter: nobody else can lead.
  if (tracker_.singleton()) {
    answer_read(message, log_.committed());
    return;
  }
  // Before its first commit a leader does not know how far its predecessors committed.
  if (!committed_in_current_term()) {
    if (pending_reads_.size() < kMaxPendingReads) pending_reads_.push_back(std::move(message));
    return;
  }
  start_read(std::move(message));
}

void Raft::start_read(Message message) {
  switch (config_.read_only_option) {
    case ReadOnlyOption::safe: {
      if (mutant("raft.read_by_deposed_leader")) return answer_read(message, log_.committed());
      ReadOnly& reads = leader_->read_only;
      if (!reads.add_request(log_.committed(), std::move(message))) return;
      reads.receive_ack(id_, reads.heartbeat_context().view());
      broadcast_heartbeat();
      return;
    }
    case ReadOnlyOption::lease_based:
      answer_read(message, log_.committed());
      return;
  }
}

void Raft::release_pending_reads() {
  if (pending_reads_.empty()) return;
  if (!committed_in_current_term()) {
    logger_.error(
        "pending MsgReadIndex should be released only after first commit in current term");
    return;
  }
  std::vector<Message> reads;
  reads.swap(pending_reads_);
  for (Message& message : reads) start_read(std::move(message));
}

void Raft::answer_read(const Message& request, Index index) {
  if (request.from == kNone || request.from == id_) {
    outbox_.read_states.push_back(
        {index, request.entries.empty() ? SharedBytes() : request.entries[0].data});
    return;
  }
  send({.type = MessageType::read_index_resp,
        .to = request.from,
        .index = index,
        .entries = request.entries});
}

}  // namespace holdfast::raft
