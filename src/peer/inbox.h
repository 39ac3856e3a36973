// From a peer's streams to raft: what came is handed over in batches, and no more is read while raft is far behind.
// etcd drops what does not fit its channel of 4096 (RAFT-15); here the peer is slowed instead, and sees it.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "peer/host.h"
#include "peer/metrics.h"

namespace holdfast::peer {

class Inbox {
 public:
  Inbox(const TransportWorld& world, MemberId remote, PeerSeries& series);
  ~Inbox();

  // The transport's thread. Drops link heartbeats and what is not for us (RAFT-12, RAFT-21).
  void deliver(std::vector<raft::Message> messages);
  bool full() const;
  // Runs `resume` once, on the transport's thread, when full() has ended.
  void when_room(Task resume);

 private:
  struct Backlog;

  const TransportWorld& world_;
  const MemberId remote_;
  PeerSeries& series_;
  std::shared_ptr<Backlog> backlog_;  // shared with the batches that raft has not seen yet
};

// Bytes that a message holds, roughly.
size_t footprint(const raft::Message& message);

}  // namespace holdfast::peer
