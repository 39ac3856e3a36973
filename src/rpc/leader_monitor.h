// Ends streams of clients that asked for a leader when there has been none for three election
// timeouts (GEN-09; etcd v3rpc/interceptor.go monitorLeader). Such streams are slower to lose their
// leader than new calls, since reconnecting costs more.
#pragma once

#include <memory>

#include "env/clock.h"
#include "env/executor.h"
#include "net/grpc_call.h"
#include "server/member_info.h"

namespace holdfast::rpc {

class LeaderMonitor {
 public:
  // Looks once each `election_timeout`, on `executor`.
  LeaderMonitor(const server::MemberInfo& member, env::Executor& executor,
                env::Duration election_timeout);
  ~LeaderMonitor();
  LeaderMonitor(const LeaderMonitor&) = delete;
  LeaderMonitor& operator=(const LeaderMonitor&) = delete;

  void start();

  class Core;
  // The stream is watched as long as the ticket lives.
  class Ticket {
   public:
    Ticket() = default;
    Ticket(Ticket&& other) noexcept;
    Ticket& operator=(Ticket&& other) noexcept;
    ~Ticket();

   private:
    friend class LeaderMonitor;
    std::shared_ptr<Core> core_;  // shared with the monitor, which may be gone first
    uint64_t id_ = 0;
  };
  // Thread-safe. The call is finished on its own thread with `no_leader`.
  Ticket watch(net::StreamCallRef call);

 private:
  std::shared_ptr<Core> core_;  // shared with the timer and the tickets
};

}  // namespace holdfast::rpc
