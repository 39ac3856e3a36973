// Posts messages one by one, while a peer has no stream open with us, and to members that are no peers yet (etcd
// rafthttp/pipeline.go; parity RAFT-15, RAFT-16).
#pragma once

#include <array>
#include <deque>
#include <memory>

#include "net/http_client.h"
#include "peer/address.h"
#include "peer/host.h"
#include "peer/peer_status.h"

namespace holdfast::peer {

// On the transport's thread.
class Pipeline {
 public:
  Pipeline(const TransportWorld& world, MemberId remote, UrlPicker& picker, PeerStatus& status,
           PeerSeries& series);
  ~Pipeline();

  // False, and nothing is taken, when too many wait already.
  bool send(raft::Message& message);

 private:
  // Posts that may be under way at a time, each on a connection of its own.
  static constexpr size_t kLanes = 4;
  struct Lane;

  void start(const std::shared_ptr<Lane>& lane);
  void finish(const std::shared_ptr<Lane>& lane, const absl::Status& status,
              const net::HttpResponse& response);

  const TransportWorld& world_;
  const MemberId remote_;
  UrlPicker& picker_;
  PeerStatus& status_;
  PeerSeries& series_;
  std::array<std::shared_ptr<Lane>, kLanes> lanes_;  // shared with the callbacks of their clients
  std::deque<raft::Message> waiting_;
};

// What a peer's answer to a post means: OK, or an error with etcd's text. Logs refusals, and tells the host if this
// member was removed (etcd checkPostResponse).
absl::Status check_post_response(const TransportWorld& world, MemberId remote,
                                 const net::HttpResponse& response, const std::string& url);

}  // namespace holdfast::peer
