// What members ask each other outside of raft, over the simulated network: each question and each answer travels, may be
// late, and is lost with its connection; then whoever asked learns it by his own patience.
#pragma once

#include <functional>
#include <string>

#include "server/leader_lessor.h"
#include "server/remote_cluster.h"
#include "sim/machine.h"
#include "sim/network.h"

namespace holdfast::sim {

// Of one process; answers find it only while it lives.
class RemoteCalls final : public server::RemoteCluster, public server::LeaderLessor {
 public:
  RemoteCalls(SimScheduler& scheduler, SimNetwork& network, Machine& self,
              std::function<Machine*(const std::string&)> find_url);

  void get_members(const Request& request, Done<Membership> done) override;
  void get_versions(const Request& request, Done<Versions> done) override;
  void is_downgrading(const Request& request, Done<bool> done) override;
  void get_hash(const Request& request, ClusterId cluster, Revision revision, Done<mvcc::HashResult> done) override;
  void promote(const Request& request, MemberId id, const std::string& token,
               Done<std::vector<membership::Member>> done) override;

  void renew(Question question, UniqueFunction<void(absl::StatusOr<int64_t>)> done) override;
  void time_to_live(Question question, server::LeaseKeys keys,
                    UniqueFunction<void(absl::StatusOr<server::LeaseInfo>)> done) override;

 private:
  template <class T>
  struct Call;
  // On the asked machine's executor for requests; answers once, there, or never.
  template <class T>
  using Serve = UniqueFunction<void(Machine&, Done<T>)>;
  template <class T>
  void call(const Request& request, Serve<T> serve, Done<T> done);

  SimScheduler& scheduler_;
  SimNetwork& network_;
  Machine& self_;
  const std::function<Machine*(const std::string&)> find_url_;
};

}  // namespace holdfast::sim
