// The parts behind the cluster's RPCs over a V3World: conf changes are applied at once to the member list that the test
// set, other members answer what the test says.
#pragma once

#include <map>
#include <vector>

#include "raft/codec.h"
#include "server/cluster_services.h"
#include "test/server/fake_remote.h"
#include "test/server/v3_world.h"

namespace holdfast::server {

class FakeConfChanges : public ConfChangeProposer {
 public:
  explicit FakeConfChanges(FakeMember& member) : member_(member) {}
  void propose_conf_change(const CallContext& context, raft::ConfChange change,
                           ProposalDone done) override {
    auto result = std::make_unique<apply::Result>();
    // Whoever holds the old list keeps it.
    auto cluster = std::make_shared<membership::Cluster>(*member_.cluster_now);
    result->status = cluster->validate(change, 1);
    membership::RecordChanges records;
    if (result->status.ok()) cluster->apply(change, records);
    member_.cluster_now = cluster;
    changes.push_back(std::move(change));
    context.reply_on->post([result = std::move(result), done = std::move(done)]() mutable {
      done(std::move(result));
    });
  }
  std::vector<raft::ConfChange> changes;

 private:
  FakeMember& member_;
};

class FakeRaft : public RaftControl {
 public:
  explicit FakeRaft(FakeMember& member) : member_(member) {}
  void begin_transfer(MemberId to) override {
    transfers.push_back(to);
    if (transfers_succeed) member_.leader_id = to.value;
  }
  void ask_match(MemberId id, env::Executor& reply_on,
                 UniqueFunction<void(absl::StatusOr<Match>)> done) override {
    absl::StatusOr<Match> match = error(EtcdError::member_not_found);
    if (member_.leader_id != member_.member_id().value) match = error(EtcdError::not_leader);
    else if (matches.contains(id)) match = Match{matches[id], Index(100)};
    reply_on.post([match, done = std::move(done)]() mutable { done(match); });
  }
  bool transfers_succeed = true;
  std::vector<MemberId> transfers;
  std::map<MemberId, Index> matches;

 private:
  FakeMember& member_;
};

class FakePeers : public NoPeers {
 public:
  env::Instant active_since(MemberId id) const override {
    const auto it = active.find(id);
    return it == active.end() ? env::Instant{} : it->second;
  }
  std::map<MemberId, env::Instant> active;
};

struct ClusterWorld {
  ClusterWorld(V3World& w, env::Executor& apply, const env::Clock& clock,
               MembershipChanges::Options options = {.request_timeout = std::chrono::seconds(7),
                                                     .election_timeout = std::chrono::seconds(1)})
      : conf_changes(w.member),
        raft(w.member),
        applied(apply, board),
        membership({conf_changes, w.member, w.access, raft, applied, peers, &remote, clock,
                    w.metrics, w.log},
                   options),
        transfer({raft, w.member, w.access, peers, w.log},
                 {std::chrono::milliseconds(100), options.request_timeout}),
        downgrades({w.proposer, w.reader, w.member, w.access, w.log}) {}

  ClusterServices services() { return {membership, transfer, downgrades}; }

  FakeConfChanges conf_changes;
  FakeRaft raft;
  FakePeers peers;
  FakeRemote remote;
  RaftBoard board;
  AppliedWaits applied;
  MembershipChanges membership;
  LeaderTransfer transfer;
  Downgrades downgrades;
};

}  // namespace holdfast::server
