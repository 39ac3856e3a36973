// server::RemoteCluster over HTTP/1.1: single questions to a member's peer port, each on a connection of its own (etcd
// server/etcdserver/cluster_util.go; parity RAFT-29).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "net/http_client.h"
#include "net/io_thread.h"
#include "peer/host.h"
#include "server/remote_cluster.h"

namespace holdfast::peer {

class RemoteCalls final : public server::RemoteCluster {
 public:
  // Both outlive it. May be used as soon as the thread runs, before the transport is started.
  RemoteCalls(net::IoThread& thread, const TransportSettings& settings)
      : thread_(thread), settings_(settings) {}

  void get_members(const Request& request, Done<Membership> done) override;
  void get_versions(const Request& request, Done<Versions> done) override;
  void is_downgrading(const Request& request, Done<bool> done) override;
  void get_hash(const Request& request, ClusterId cluster, Revision revision,
                Done<mvcc::HashResult> done) override;
  void promote(const Request& request, MemberId id, const std::string& token,
               Done<std::vector<membership::Member>> done) override;

  // Any request; for what other parts ask of members (leases). The answer whatever its status code, or
  // UNAVAILABLE, on `request.reply_on`.
  using Answer = UniqueFunction<void(absl::StatusOr<net::HttpResponse>)>;
  void ask(const Request& request, net::HttpClientRequest http, Answer answer);

 private:
  net::IoThread& thread_;
  const TransportSettings& settings_;
};

// {"etcdserver":"X.Y.Z","etcdcluster":"X.Y.Z"}; nothing if it can't be read. Exposed for tests.
std::optional<server::RemoteCluster::Versions> parse_versions(std::string_view json);

}  // namespace holdfast::peer
