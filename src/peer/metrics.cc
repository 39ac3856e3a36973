#include "peer/metrics.h"

#include "base/log.h"

namespace holdfast::peer {

namespace {

env::Labels to(const std::string& id) { return {{"To", id}}; }
env::Labels from(const std::string& id) { return {{"From", id}}; }
env::Labels pair(MemberId local, MemberId remote) {
  return {{"Local", hex_id(local.value)}, {"Remote", hex_id(remote.value)}};
}

}  // namespace

env::Counter& received_failures(env::Metrics& metrics, const std::string& sender) {
  return metrics.counter("etcd_network_peer_received_failures_total",
                         "Failures while receiving from a peer.", from(sender));
}

env::Counter& received_bytes(env::Metrics& metrics, const std::string& sender) {
  return metrics.counter("etcd_network_peer_received_bytes_total", "Bytes received from a peer.",
                         from(sender));
}

PeerSeries::PeerSeries(env::Metrics& m, MemberId local, MemberId remote)
    : active(m.gauge("etcd_network_active_peers", "Peers with a live connection.", pair(local, remote))),
      disconnected(m.counter("etcd_network_disconnected_peers_total", "Times that a peer was lost.",
                             pair(local, remote))),
      sent_bytes(m.counter("etcd_network_peer_sent_bytes_total", "Bytes sent to a peer.",
                           to(hex_id(remote.value)))),
      received_bytes(peer::received_bytes(m, hex_id(remote.value))),
      sent_failures(m.counter("etcd_network_peer_sent_failures_total",
                              "Failures while sending to a peer.", to(hex_id(remote.value)))),
      received_failures(peer::received_failures(m, hex_id(remote.value))),
      round_trip_seconds(m.histogram("etcd_network_peer_round_trip_time_seconds",
                                     "Round trip time to a peer.",
                                     env::exponential_buckets(0.0001, 2, 16),
                                     to(hex_id(remote.value)))) {}

SnapshotSendSeries::SnapshotSendSeries(env::Metrics& m, MemberId id)
    : success(m.counter("etcd_network_snapshot_send_success", "Snapshots sent.", to(hex_id(id.value)))),
      inflights(m.gauge("etcd_network_snapshot_send_inflights_total", "Snapshots being sent.",
                        to(hex_id(id.value)))),
      failures(m.counter("etcd_network_snapshot_send_failures", "Snapshots that could not be sent.",
                         to(hex_id(id.value)))),
      seconds(m.histogram("etcd_network_snapshot_send_total_duration_seconds",
                          "Time to send a snapshot.", env::exponential_buckets(0.1, 2, 10),
                          to(hex_id(id.value)))) {}

SnapshotReceiveSeries::SnapshotReceiveSeries(env::Metrics& m, const std::string& id)
    : success(m.counter("etcd_network_snapshot_receive_success", "Snapshots received.", from(id))),
      inflights(m.gauge("etcd_network_snapshot_receive_inflights_total", "Snapshots being received.",
                        from(id))),
      failures(m.counter("etcd_network_snapshot_receive_failures",
                         "Snapshots that could not be received.", from(id))),
      seconds(m.histogram("etcd_network_snapshot_receive_total_duration_seconds",
                          "Time to receive a snapshot.", env::exponential_buckets(0.1, 2, 10),
                          from(id))) {}

SnapshotFileSeries::SnapshotFileSeries(env::Metrics& m)
    : save_seconds(m.histogram("etcd_snap_db_save_total_duration_seconds",
                               "The total latency distributions of v3 snapshot save",
                               env::exponential_buckets(0.1, 2, 10))),
      sync_seconds(m.histogram("etcd_snap_db_fsync_duration_seconds",
                               "The latency distributions of fsyncing .snap.db file",
                               env::exponential_buckets(0.001, 2, 14))) {}

}  // namespace holdfast::peer
