// The road to the other members, as the server sees it (etcd rafthttp.Transporter). peer/ implements it over HTTP, the
// simulator over its network. What is sent may be lost, repeated or reordered; a message that certainly was not sent is
// reported through PeerReports, so that raft stops counting on it.
//
// send() is called by the raft owner and by the log writer, send_snapshot() by any executor of the member, the rest by
// the apply owner, or by Member::start(), which adds the members that are known then; none of them waits.
#pragma once

#include <string>
#include <vector>

#include "base/types.h"
#include "env/clock.h"
#include "raft/message.h"
#include "server/snapshot_transfer.h"

namespace holdfast::server {

class Peers {
 public:
  virtual ~Peers() = default;

  // No MsgSnap among them.
  virtual void send(std::vector<raft::Message> messages) = 0;
  // To message.to. Ends with exactly one Member::report_snapshot() (after a failure also report_unreachable()), and the
  // body destroyed; also when the peer is unknown, is removed meanwhile, or the transport stops. At most
  // kSnapshotsInFlightMax are under way at once.
  virtual void send_snapshot(OutgoingSnapshot snapshot) = 0;

  virtual void add(MemberId id, const std::vector<std::string>& urls) = 0;
  // A member of the cluster that this one may need before its own log has told of it (RAFT-23): posts alone.
  // Nothing to do where everybody can be reached anyhow.
  virtual void add_remote(MemberId, const std::vector<std::string>&) {}
  virtual void remove(MemberId id) = 0;
  virtual void update(MemberId id, const std::vector<std::string>& urls) = 0;
  virtual void remove_all() = 0;
  // Since when there has been a live connection to the peer; Instant{0} if there is none (CLU-04).
  virtual env::Instant active_since(MemberId id) const = 0;
};

// A cluster of one.
class NoPeers : public Peers {
 public:
  void send(std::vector<raft::Message>) override {}
  void send_snapshot(OutgoingSnapshot) override {}
  void add(MemberId, const std::vector<std::string>&) override {}
  void remove(MemberId) override {}
  void update(MemberId, const std::vector<std::string>&) override {}
  void remove_all() override {}
  env::Instant active_since(MemberId) const override { return {}; }
};

}  // namespace holdfast::server
