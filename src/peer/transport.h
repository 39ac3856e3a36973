// All peers of this member (etcd rafthttp/transport.go; parity section 6.1). Implements server::Peers over HTTP/1.1: its
// state lives on one I/O thread, to which everything said to it is posted, so that nobody waits for a slow peer and one
// peer's trouble is not another's.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "peer/host.h"
#include "peer/peer.h"
#include "server/peers.h"

namespace holdfast::peer {

class Transport final : public server::Peers {
 public:
  struct Parts {
    net::IoThread& thread;
    env::Executor& background;  // may wait: the files and bodies of snapshots
    env::FileSystem& files;
    env::Metrics& metrics;
    Logger& log;
  };
  Transport(Parts parts, TransportSettings settings);
  // After the thread has ended, or stop() has run on it.
  ~Transport() override;

  // Before anything else is called, and before the peer port is served: who we are, and for whom.
  void start(Identity self, Host& host);
  // Ends all connections; nothing is sent any more. Any thread; `stopped` runs on the transport's.
  void stop(Task stopped);

  // server::Peers. Any thread.
  void send(std::vector<raft::Message> messages) override;
  void send_snapshot(server::OutgoingSnapshot snapshot) override;
  void add(MemberId id, const std::vector<std::string>& urls) override;
  void add_remote(MemberId id, const std::vector<std::string>& urls) override;
  void remove(MemberId id) override;
  void update(MemberId id, const std::vector<std::string>& urls) override;
  void remove_all() override;
  env::Instant active_since(MemberId id) const override;

  // For the handlers of the peer port, on the transport's thread.
  const TransportWorld& world() const { return *world_; }
  Peer* find(MemberId id);
  // What a series of metrics calls the sender of a message: its id, if it is known here. A stranger has a new one each
  // time, if it likes, and series stay.
  std::string series_name(MemberId from) const;
  void add_remote_now(MemberId id, const std::vector<std::string>& urls);

 private:
  // What is asked about a peer from other threads; outlives the peer, so that one that comes back goes on counting.
  struct Standing;

  void send_now(std::vector<raft::Message> messages);
  void add_now(MemberId id, const std::vector<std::string>& urls);
  void remove_now(MemberId id);

  const Parts parts_;
  const TransportSettings settings_;
  Identity self_;
  std::unique_ptr<TransportWorld> world_;

  mutable std::mutex mutex_;  // guards standings_; what it points to is atomic
  std::map<MemberId, std::unique_ptr<Standing>> standings_;

  // On the thread:
  std::map<MemberId, std::unique_ptr<Peer>> peers_;
  std::map<MemberId, std::unique_ptr<Remote>> remotes_;
  std::set<Peer*> touched_;  // peers that got something in this batch
  bool stopped_ = false;
};

}  // namespace holdfast::peer
