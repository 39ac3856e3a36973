// Asks a peer every few seconds whether it is well, how long the way to it is and what time it has (etcd
// rafthttp/probing_status.go, xiang90/probing; parity RAFT-22).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "net/http_client.h"
#include "peer/address.h"
#include "peer/host.h"
#include "peer/metrics.h"

namespace holdfast::peer {

// What a peer answers to GET /raft/probing: {"OK":true,"Now":"2026-01-02T15:04:05.999999999Z"}.
std::string health_json(int64_t unix_nanoseconds);
// The time in it; nothing if it isn't OK or can't be read.
std::optional<int64_t> parse_health(std::string_view json);

// On the transport's thread. etcd has two for each peer, one for each kind of connection; `name` tells them apart.
class Prober {
 public:
  Prober(const TransportWorld& world, MemberId remote, UrlPicker picker, PeerSeries& series,
         std::string_view name);
  ~Prober();

 private:
  struct Probe;  // shared with the answer under way

  void probe();
  void on_answer(const Address& address, env::Instant asked, const absl::Status& status,
                 const net::HttpResponse& response);
  void report();

  const TransportWorld& world_;
  const MemberId remote_;
  UrlPicker picker_;  // its own: what it finds unreachable may do for messages
  PeerSeries& series_;
  const std::string name_;
  std::shared_ptr<Probe> probe_;
  std::optional<Address> client_address_;
  bool healthy_ = false;
  std::string error_;
  env::Duration round_trip_{};  // smoothed, as TCP's
  env::Duration clock_drift_{};
  env::TimerId probe_timer_ = 0;
  env::TimerId report_timer_ = 0;
};

}  // namespace holdfast::peer
