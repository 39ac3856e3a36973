// etcd_network_*: what passes between members (etcd rafthttp/metrics.go; parity section 8). Series appear when a peer
// does, as etcd's do.
#pragma once

#include <string>

#include "base/types.h"
#include "env/metrics.h"

namespace holdfast::peer {

// The series of one peer. Thread-safe.
struct PeerSeries {
  PeerSeries(env::Metrics& metrics, MemberId local, MemberId remote);

  env::Gauge& active;
  env::Counter& disconnected;
  env::Counter& sent_bytes;
  env::Counter& received_bytes;
  env::Counter& sent_failures;
  env::Counter& received_failures;
  env::Histogram& round_trip_seconds;
};

struct SnapshotSendSeries {
  SnapshotSendSeries(env::Metrics& metrics, MemberId to);

  env::Counter& success;
  env::Gauge& inflights;
  env::Counter& failures;
  env::Histogram& seconds;
};

struct SnapshotReceiveSeries {
  // `from`: a member's id in hex, or "UNKNOWN_SNAPSHOT_SENDER".
  SnapshotReceiveSeries(env::Metrics& metrics, const std::string& from);

  env::Counter& success;
  env::Gauge& inflights;
  env::Counter& failures;
  env::Histogram& seconds;
};

// Of the file that a received snapshot becomes (MET-23).
struct SnapshotFileSeries {
  explicit SnapshotFileSeries(env::Metrics& metrics);

  env::Histogram& save_seconds;
  env::Histogram& sync_seconds;
};

// For senders that are known by their address only, or by the id in their message.
env::Counter& received_failures(env::Metrics& metrics, const std::string& from);
env::Counter& received_bytes(env::Metrics& metrics, const std::string& from);

}  // namespace holdfast::peer
