// Sends a snapshot, body and all, to a peer (etcd rafthttp/snapshot_sender.go; parity RAFT-17). The body is read piece by
// piece on the background executor, as fast as the peer takes it; a few pieces are in memory at a time.
#pragma once

#include <memory>
#include <set>

#include "peer/address.h"
#include "peer/host.h"
#include "peer/peer_status.h"
#include "server/snapshot_transfer.h"

namespace holdfast::peer {

// On the transport's thread.
class SnapshotSender {
 public:
  SnapshotSender(const TransportWorld& world, MemberId remote, UrlPicker& picker, PeerStatus& status,
                 PeerSeries& series);
  // What is under way ends as failed.
  ~SnapshotSender();

  void send(server::OutgoingSnapshot snapshot);

 private:
  class Transfer;
  void finished(const std::shared_ptr<Transfer>& transfer, const absl::Status& outcome);

  const TransportWorld& world_;
  const MemberId remote_;
  UrlPicker& picker_;
  PeerStatus& status_;
  PeerSeries& series_;
  SnapshotSendSeries snapshots_;
  std::set<std::shared_ptr<Transfer>> transfers_;  // shared with their callbacks
};

}  // namespace holdfast::peer
