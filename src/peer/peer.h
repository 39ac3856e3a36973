// One other member: which way a message to it takes (etcd rafthttp/peer.go; parity RAFT-14, RAFT-15).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "peer/host.h"
#include "peer/inbox.h"
#include "peer/peer_status.h"
#include "peer/pipeline.h"
#include "peer/prober.h"
#include "peer/snapshot_sender.h"
#include "peer/stream_reader.h"
#include "peer/stream_writer.h"

namespace holdfast::peer {

// On the transport's thread.
class Peer {
 public:
  // `status` outlives the peer.
  Peer(const TransportWorld& world, MemberId id, const std::vector<std::string>& urls,
       PeerSeries& series, PeerStatus& status);
  ~Peer();

  // Taken or dropped; a drop is counted and reported. flush() when the batch is done.
  void send(raft::Message& message);
  void flush();
  void send_snapshot(server::OutgoingSnapshot snapshot) { snapshots_.send(std::move(snapshot)); }
  void update(const std::vector<std::string>& urls);
  // The peer holds a stream of this type open.
  void attach(StreamType type, net::HttpExchangeRef exchange);

 private:
  void probe_from(const std::vector<std::string>& urls);

  const TransportWorld& world_;
  const MemberId id_;
  PeerSeries& series_;
  PeerStatus& status_;
  UrlPicker picker_;
  Inbox inbox_;
  StreamWriter msgapp_writer_;
  StreamWriter message_writer_;
  Pipeline pipeline_;
  SnapshotSender snapshots_;
  StreamReader msgapp_reader_;
  StreamReader message_reader_;
  std::vector<std::unique_ptr<Prober>> probers_;
};

// A member that asked to join, or that our log has not told us of yet: posts alone (RAFT-23).
class Remote {
 public:
  Remote(const TransportWorld& world, MemberId id, const std::vector<std::string>& urls);
  void send(raft::Message& message);

 private:
  const TransportWorld& world_;
  const MemberId id_;
  PeerSeries series_;
  PeerStatus status_;
  UrlPicker picker_;
  Pipeline pipeline_;
};

}  // namespace holdfast::peer
