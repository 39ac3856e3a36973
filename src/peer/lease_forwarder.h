// Asks the leader's lessor over its peer port (etcd leasehttp.RenewHTTP, TimeToLiveHTTP; parity
// LEA-10, PEERH-04, PEERH-05, RAFT-29: redirects are not followed). Implements
// server::LeaderLessor: asked on any thread, at work on the transport's.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "net/http_client.h"
#include "net/io_thread.h"
#include "peer/host.h"
#include "server/leader_lessor.h"

namespace holdfast::peer {

class LeaseForwarder final : public server::LeaderLessor {
 public:
  LeaseForwarder(net::IoThread& thread, TransportSettings settings);
  // After the thread has ended, or stop() has run on it.
  ~LeaseForwarder() override;
  // On the thread. Who is asked later gets `stopped`.
  void stop();

  void renew(Question question, UniqueFunction<void(absl::StatusOr<int64_t>)> done) override;
  void time_to_live(Question question, server::LeaseKeys keys,
                    UniqueFunction<void(absl::StatusOr<server::LeaseInfo>)> done) override;

 private:
  // To one URL: HTTP/1.1 carries one question at a time, so there are several connections.
  struct Connection {
    std::unique_ptr<net::HttpClient> client;
    int under_way = 0;
  };
  struct Leader {
    std::vector<Connection> connections;
  };
  using Answered = UniqueFunction<void(absl::StatusOr<std::string>)>;  // the body of a 200

  // Posts, asks, and answers on `reply_on`.
  void ask(Question question, const char* path, std::string body, Answered answered);
  void ask_now(const std::string& url, const char* path, std::string body, env::Duration patience,
               Answered answered);
  Connection* connection_to(const std::string& url);

  net::IoThread& thread_;
  const TransportSettings settings_;
  // On the thread:
  std::map<std::string, Leader> leaders_;  // by URL; of the members that led since the start
  bool stopped_ = false;
};

}  // namespace holdfast::peer
