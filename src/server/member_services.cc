#include "server/member_services.h"

#include "server/raise_alarm.h"

namespace holdfast::server {

MemberServices::MemberServices(const MemberGivens& given, MemberFacts& facts, ReplicatedState& state,
                               Consensus& consensus)
    : door(*consensus.raft, *consensus.reads, facts.waits, facts.ids, facts.board, given.world.clock,
           facts.request_metrics,
           RequestDoor::Options{given.config.max_request_bytes, given.config.request_timeout(),
                                given.config.priority_requests}),
      cluster_facts(door, door),
      v3(V3Server::Parts{door, door, facts.view, facts.operations, access, facts.ids, given.world.clock,
                         given.world.metrics, given.world.log, given.executors.readers},
         V3Server::Options{given.config.max_txn_ops, given.config.max_request_bytes, given.config.quota_backend_bytes,
                           given.config.warning_apply_duration}),
      leadership(facts.board, door, given.world.log, given.log.member, given.config.heartbeat_interval),
      leases(LeaseRequests::Parts{state.machine->leases(), facts.view, leadership, *consensus.applied, door, access,
                                  given.links.leader_lessor != nullptr ? *given.links.leader_lessor
                                                                       : no_leader_lessor},
             LeaseRequests::Options{given.config.fast_lease_keep_alive, given.config.request_timeout(),
                                    given.config.election_timeout()}),
      membership(MembershipChanges::Parts{door, facts.view, access, *consensus.raft, *consensus.applied,
                                          given.links.peers, given.links.remote, given.world.clock,
                                          given.world.metrics, given.world.log},
                 MembershipChanges::Options{given.config.strict_reconfig_check, given.config.request_timeout(),
                                            given.config.election_timeout()}),
      transfer(LeaderTransfer::Parts{*consensus.raft, facts.view, access, given.links.peers, given.world.log},
               LeaderTransfer::Options{given.config.heartbeat_interval, given.config.request_timeout()}),
      downgrades(Downgrades::Parts{door, door, facts.view, access, given.world.log}) {
  consensus.apply->on_no_space([this, &given](Task answer) {
    raise_alarm(door, given.executors.apply, given.log.member, etcdserverpb::NOSPACE,
                [answer = std::move(answer)](const absl::Status&) mutable { answer(); });
  });
}

}  // namespace holdfast::server
