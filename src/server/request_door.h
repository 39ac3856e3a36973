// Implements the doors of request_path.h for one member: steps 3 to 7 of the Put path (etcd
// processInternalRaftRequestOnce) up to the hand-over to the raft owner, and joining the next read-index round.
// Thread-safe.
#pragma once

#include <array>
#include <atomic>

#include "env/metrics.h"
#include "server/raft_board.h"
#include "server/raft_owner.h"
#include "server/read_index.h"
#include "server/request_id.h"
#include "server/request_metrics.h"
#include "server/request_path.h"
#include "server/wait_table.h"

namespace holdfast::server {

class RequestDoor : public Proposer,
                    public V2Proposer,
                    public ConfChangeProposer,
                    public LinearizableReader {
 public:
  struct Options {
    uint64_t max_request_bytes = 1'572'864;
    env::Duration request_timeout;  // ReqTimeout (PUT-07)
    bool priority_requests = false; // gate PriorityRequest (PUT-03)
  };
  RequestDoor(RaftOwner& raft, ReadIndex& reads, WaitTable& waits, RequestIdGenerator& ids,
              const RaftBoard& board, const env::Clock& clock, RequestMetrics& metrics,
              Options options);

  void propose(const CallContext& context, Command command, std::string_view request,
               ProposalDone done) override;
  void wait_read(const CallContext& context, ReadDone done) override;

  void propose_v2_put(const CallContext& context, Command command, std::string_view path,
                      std::string_view value, ProposalDone done) override;
  void propose_conf_change(const CallContext& context, raft::ConfChange change,
                           ProposalDone done) override;

 private:
  bool too_far_behind(Command command) const;

  RaftOwner& raft_;
  ReadIndex& reads_;
  WaitTable& waits_;
  RequestIdGenerator& ids_;
  const RaftBoard& board_;
  const env::Clock& clock_;
  RequestMetrics& metrics_;
  const Options options_;
};

// The bytes of an InternalRaftRequest with this command and header, the request spliced in as it is; fields in Go's
// order (command, then header = 100).
SharedBytes internal_raft_request(uint64_t id, const AuthInfo& auth, Command command,
                                  std::string_view request);

}  // namespace holdfast::server
