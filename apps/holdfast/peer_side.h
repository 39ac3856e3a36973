// The member's side towards other members: the transport on a thread of its own, the peer ports, and the bridge between
// the transport and the member.
#pragma once

#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "apps/holdfast/config.h"
#include "apps/holdfast/member_settings.h"
#include "base/log.h"
#include "env/file_system.h"
#include "env/metrics.h"
#include "net/io_thread.h"
#include "net/listener.h"
#include "os/thread_executor.h"
#include "peer/lease_forwarder.h"
#include "peer/peer_endpoints.h"
#include "peer/remote_calls.h"
#include "peer/transport.h"
#include "server/member.h"

namespace holdfast::app {

class PeerSide {
 public:
  struct World {
    const env::Clock& clock;
    env::FileSystem& files;
    env::Metrics& metrics;
    Logger& log;
  };
  // `tls`: the certificates of the peer port, --peer-auto-tls's own included.
  PeerSide(const config::Config& config, const server::MemberConfig& member, config::TlsFiles tls,
           const PeerDialling& dialling, const World& world);
  ~PeerSide();

  // Takes the ports and starts the thread, before there is a member.
  absl::Status bind();
  server::Peers& peers() { return transport_; }
  server::RemoteCluster& remote() { return remote_; }  // from bind() on
  server::LeaderLessor& leader_lessor() { return lease_forwarder_; }
  // Before serve().
  peer::PeerEndpoints& endpoints() { return endpoints_; }
  // Before Member::start(). `removed`: the others say that this member is no longer one.
  absl::Status serve(server::Member& member, Task removed);
  // When the member has stopped. Blocks until everything is closed.
  void stop();

 private:
  class Bridge;

  const config::Config& config_;
  const server::MemberConfig& member_config_;
  const config::TlsFiles tls_;
  const World world_;
  net::IoPool io_;                  // one thread: what a burst of clients does must not delay heartbeats
  os::ThreadExecutor transfers_;    // snapshots to and from the disk, which may take minutes
  std::unique_ptr<Bridge> bridge_;
  const peer::TransportSettings settings_;
  peer::RemoteCalls remote_;
  peer::Transport transport_;
  peer::PeerEndpoints endpoints_;
  peer::LeaseForwarder lease_forwarder_;
  std::vector<net::ListenerOptions> ports_;
  std::vector<std::unique_ptr<net::Listener>> listeners_;
};

}  // namespace holdfast::app
