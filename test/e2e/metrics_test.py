"""What dashboards and alerts are built upon: the names, types, labels and buckets of etcd's series, and that they count.
MET-01 MET-02 MET-03 MET-04 MET-06 MET-08 MET-09 MET-10 MET-11 MET-12 MET-13 MET-14 MET-20 MET-21 MET-22
MET-23 MET-24 MET-25 MET-26 MET-27 MET-28 MET-29 MET-31 MET-32 MET-36 MET-30 MET-33 MET-34 MET-35 MET-37 HTTP-08 HTTP-14 F-014 F-080 TRP-64
VD-22"""
import gzip
import re
import subprocess
import unittest
import urllib.request

import harness


def exponential(start, factor, count):
    return [start * factor ** i for i in range(count)]


FSYNC = exponential(0.001, 2, 14)
# name: (type, labels, buckets). Series that stand without labels are there from the start.
SERIES = {
    "etcd_cluster_version": ("gauge", "cluster_version"),
    "etcd_server_version": ("gauge", "server_version"),
    "etcd_server_id": ("gauge", "server_id"),
    "etcd_server_has_leader": ("gauge", ""),
    "etcd_server_is_leader": ("gauge", ""),
    "etcd_server_is_learner": ("gauge", ""),
    "etcd_server_leader_changes_seen_total": ("counter", ""),
    "etcd_server_feature_enabled": ("gauge", "name stage"),
    "etcd_server_heartbeat_send_failures_total": ("counter", ""),
    "etcd_server_proposals_committed_total": ("gauge", ""),
    "etcd_server_proposals_applied_total": ("gauge", ""),
    "etcd_server_proposals_pending": ("gauge", ""),
    "etcd_server_proposals_failed_total": ("counter", ""),
    "etcd_server_request_duration_seconds": ("histogram", "type success", FSYNC),
    "etcd_server_apply_duration_seconds": ("histogram", "version op success", exponential(0.0001, 2, 20)),
    "etcd_server_range_duration_seconds": ("histogram", "success", exponential(0.0001, 2, 20)),
    "etcd_server_slow_apply_total": ("counter", ""),
    "etcd_server_slow_read_indexes_total": ("counter", ""),
    "etcd_server_read_indexes_failed_total": ("counter", ""),
    "etcd_server_quota_backend_bytes": ("gauge", ""),
    "etcd_server_client_requests_total": ("counter", "type client_api_version"),
    "etcd_server_health_success": ("counter", ""),
    "etcd_server_health_failures": ("counter", ""),
    "etcd_network_client_grpc_received_bytes_total": ("counter", ""),
    "etcd_network_client_grpc_sent_bytes_total": ("counter", ""),
    "etcd_disk_wal_fsync_duration_seconds": ("histogram", "", FSYNC),
    "etcd_disk_wal_write_duration_seconds": ("histogram", "", FSYNC),
    "etcd_disk_wal_write_bytes_total": ("gauge", ""),
    "etcd_disk_backend_commit_duration_seconds": ("histogram", "", FSYNC),
    "etcd_disk_backend_defrag_duration_seconds": ("histogram", "", exponential(0.1, 2, 13)),
    "etcd_disk_defrag_inflight": ("gauge", ""),
    "etcd_snap_fsync_duration_seconds": ("histogram", "", FSYNC),
    "etcd_snap_db_fsync_duration_seconds": ("histogram", "", FSYNC),
    "etcd_snap_db_save_total_duration_seconds": ("histogram", "", exponential(0.1, 2, 10)),
    "etcd_mvcc_range_total": ("counter", ""),
    "etcd_mvcc_put_total": ("counter", ""),
    "etcd_mvcc_delete_total": ("counter", ""),
    "etcd_mvcc_txn_total": ("counter", ""),
    "etcd_mvcc_db_total_size_in_bytes": ("gauge", ""),
    "etcd_mvcc_db_total_size_in_use_in_bytes": ("gauge", ""),
    "etcd_mvcc_db_open_read_transactions": ("gauge", ""),
    "etcd_mvcc_hash_duration_seconds": ("histogram", "", exponential(0.01, 2, 15)),
    "etcd_mvcc_hash_rev_duration_seconds": ("histogram", "", exponential(0.01, 2, 15)),
    "etcd_debugging_mvcc_keys_total": ("gauge", ""),
    "etcd_debugging_mvcc_total_put_size_in_bytes": ("gauge", ""),
    "etcd_debugging_mvcc_current_revision": ("gauge", ""),
    "etcd_debugging_mvcc_compact_revision": ("gauge", ""),
    "etcd_debugging_mvcc_db_compaction_last": ("gauge", ""),
    "etcd_debugging_mvcc_db_compaction_keys_total": ("counter", ""),
    "etcd_debugging_mvcc_db_compaction_pause_duration_milliseconds": ("histogram", "", exponential(1, 2, 13)),
    "etcd_debugging_mvcc_db_compaction_total_duration_milliseconds": ("histogram", "", exponential(100, 2, 14)),
    "etcd_debugging_mvcc_index_compaction_pause_duration_milliseconds": ("histogram", "", exponential(0.5, 2, 14)),
    "etcd_debugging_lease_granted_total": ("counter", ""),
    "etcd_debugging_lease_revoked_total": ("counter", ""),
    "etcd_debugging_lease_renewed_total": ("counter", ""),
    "etcd_debugging_lease_ttl_total": ("histogram", "", exponential(1, 2, 24)),
    "etcd_debugging_server_lease_expired_total": ("counter", ""),
    "etcd_debugging_server_watch_send_loop_watch_stream_duration_seconds": ("histogram", "", FSYNC),
    "etcd_debugging_server_watch_send_loop_watch_stream_duration_per_event_seconds": ("histogram", "", FSYNC),
    "etcd_debugging_server_watch_send_loop_control_stream_duration_seconds": ("histogram", "", FSYNC),
    "etcd_debugging_server_watch_send_loop_progress_duration_seconds": ("histogram", "", FSYNC),
    "etcd_debugging_store_expires_total": ("counter", ""),
    "etcd_debugging_store_watch_requests_total": ("counter", ""),
    "etcd_debugging_store_watchers": ("gauge", ""),
    "etcd_grpc_proxy_cache_hits_total": ("gauge", ""),
    "etcd_grpc_proxy_cache_keys_total": ("gauge", ""),
    "etcd_grpc_proxy_cache_misses_total": ("gauge", ""),
    "etcd_grpc_proxy_events_coalescing_total": ("counter", ""),
    "etcd_grpc_proxy_watchers_coalescing_total": ("gauge", ""),
    "os_fd_used": ("gauge", ""),
    "os_fd_limit": ("gauge", ""),
    "grpc_server_started_total": ("counter", "grpc_type grpc_service grpc_method"),
    "grpc_server_msg_received_total": ("counter", "grpc_type grpc_service grpc_method"),
    "grpc_server_msg_sent_total": ("counter", "grpc_type grpc_service grpc_method"),
    "grpc_server_handled_total": ("counter", "grpc_type grpc_service grpc_method grpc_code"),
    "process_cpu_seconds_total": ("counter", ""),
    "process_resident_memory_bytes": ("gauge", ""),
    "process_virtual_memory_bytes": ("gauge", ""),
    "process_virtual_memory_max_bytes": ("gauge", ""),
    "process_network_receive_bytes_total": ("counter", ""),
    "process_network_transmit_bytes_total": ("counter", ""),
    "process_open_fds": ("gauge", ""),
    "process_max_fds": ("gauge", ""),
    "process_start_time_seconds": ("gauge", ""),
    "promhttp_metric_handler_requests_total": ("counter", "code"),
    "promhttp_metric_handler_requests_in_flight": ("gauge", ""),
}
LINE = re.compile(r'^([a-z_]+)(?:\{(.*)\})? (\S+)$')
LABEL = re.compile(r'([a-z_A-Z]+)="((?:[^"\\]|\\.)*)"')


class Page:
    """A scrape: `types` by name, `values` by (name, labels)."""

    def __init__(self, text):
        self.types, self.values = {}, {}
        for line in text.splitlines():
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split()
                self.types[name] = kind
            elif not line.startswith("#"):
                name, labels, value = LINE.match(line).groups()
                self.values[name, tuple(sorted(LABEL.findall(labels or "")))] = float(value)

    def value(self, series, **labels):
        return self.values.get((series, tuple(sorted(labels.items()))), 0)

    def labels_of(self, name):
        """Sets of label names that stand at series of that name, histograms' own left out."""
        names = {name, name + "_bucket"}
        return {tuple(sorted(k for k, _ in labels if k != "le")) for n, labels in self.values if n in names}

    def buckets(self, name):
        edges = {dict(labels)["le"] for n, labels in self.values if n == name + "_bucket"}
        return sorted(float(edge) for edge in edges - {"+Inf"})


def scrape(url):
    with urllib.request.urlopen(urllib.request.Request(url + "/metrics", headers={"Accept-Encoding": "gzip"})) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        return Page(gzip.decompress(answer.read()).decode())


@unittest.skipUnless(harness.have("etcdctl"), "etcdctl is not installed")
class Metrics(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.metrics_port = harness.free_ports(1)[0]
        cls.server = harness.Server(harness.HOLDFAST, "--metrics", "extensive", "--listen-metrics-urls",
                                    f"http://127.0.0.1:{cls.metrics_port}").start()
        cls.first = scrape(cls.server.url)
        while not cls.first.value("etcd_cluster_version", cluster_version="3.7"):  # the last thing that a start does
            cls.first = scrape(cls.server.url)
        ctl = cls.server.etcdctl
        for i in range(5):
            ctl("put", "k", f"v{i}")
        ctl("put", "gone", "v")
        ctl("del", "gone")
        ctl("get", "k")
        ctl("get", "k", "--rev=99", check=False)
        ctl("txn", stdin='\nput a 1\nget a\n\n\n')
        lease = ctl("lease", "grant", "100").stdout.split()[1]
        ctl("lease", "revoke", lease)
        ctl("compaction", "4", "--physical")
        ctl("defrag")
        ctl("endpoint", "hashkv")
        cls.last = scrape(cls.server.url)

    @classmethod
    def tearDownClass(cls):
        cls.server.close()

    def test_names_types_labels_buckets(self):
        wrong = []
        for name, (kind, labels, *buckets) in SERIES.items():
            if self.last.types.get(name) != kind:
                wrong.append(f"{name}: {self.last.types.get(name)}, not a {kind}")
                continue
            wanted = {tuple(sorted(labels.split()))}
            if self.last.labels_of(name) != wanted:
                wrong.append(f"{name}: labels {self.last.labels_of(name)}, not {wanted}")
            if not labels and not self.first.labels_of(name):
                wrong.append(f"{name}: not there at the start")
            if buckets and any(abs(a - b) > 1e-9 * b for a, b in zip(self.last.buckets(name), buckets[0])) or (
                    buckets and len(self.last.buckets(name)) != len(buckets[0])):
                wrong.append(f"{name}: buckets {self.last.buckets(name)}")
        self.assertEqual(wrong, [])

    # Each pair and code of the methods is there, as 0, before anybody calls.
    def test_grpc_series_before_the_first_call(self):
        labels = {"grpc_type": "unary", "grpc_service": "etcdserverpb.KV", "grpc_method": "DeleteRange"}
        key = tuple(sorted({**labels, "grpc_code": "DataLoss"}.items()))
        self.assertIn(("grpc_server_handled_total", key), self.first.values)
        for method, kind, service in (("Watch", "bidi_stream", "etcdserverpb.Watch"), ("Lock", "unary", "v3lockpb.Lock"),
                                      ("LeaseKeepAlive", "bidi_stream", "etcdserverpb.Lease"),
                                      ("Snapshot", "server_stream", "etcdserverpb.Maintenance"),
                                      ("Check", "unary", "grpc.health.v1.Health")):
            key = tuple(sorted({"grpc_type": kind, "grpc_service": service, "grpc_method": method}.items()))
            self.assertIn(("grpc_server_started_total", key), self.first.values, method)

    def grown(self, series, **labels):
        return self.last.value(series, **labels) - self.first.value(series, **labels)

    def test_they_count(self):
        def grpc(method, code="OK", service="etcdserverpb.KV"):
            return self.grown("grpc_server_handled_total", grpc_type="unary", grpc_service=service, grpc_method=method,
                              grpc_code=code)

        self.assertEqual((grpc("Put"), grpc("DeleteRange"), grpc("Txn"), grpc("Compact")), (6, 1, 1, 1))
        self.assertEqual(grpc("Range", "OutOfRange"), 1)
        self.assertEqual(grpc("LeaseGrant", service="etcdserverpb.Lease"), 1)
        self.assertEqual(self.grown("grpc_server_handling_seconds_count", grpc_type="unary",
                                    grpc_service="etcdserverpb.KV", grpc_method="Put"), 6)
        self.assertEqual(self.grown("etcd_mvcc_put_total"), 7)
        self.assertEqual(self.grown("etcd_mvcc_delete_total"), 1)
        self.assertEqual(self.grown("etcd_mvcc_txn_total"), 1)
        self.assertEqual(self.grown("etcd_debugging_lease_granted_total"), 1)
        self.assertEqual(self.grown("etcd_debugging_lease_revoked_total"), 1)
        # 6 puts, a deletion, a txn, a compaction, a lease granted and revoked.
        self.assertEqual(self.grown("etcd_server_proposals_applied_total"), 11)
        self.assertEqual(self.grown("etcd_server_proposals_committed_total"), 11)
        self.assertEqual(self.last.value("etcd_server_proposals_pending"), 0)
        self.assertGreaterEqual(self.grown("etcd_disk_wal_fsync_duration_seconds_count"), 11)
        self.assertEqual(self.grown("etcd_server_request_duration_seconds_count", type="Put", success="true"), 6)
        self.assertEqual(self.grown("etcd_server_apply_duration_seconds_count", version="v3", op="Put",
                                    success="true"), 6)
        self.assertEqual(self.grown("etcd_disk_backend_defrag_duration_seconds_count"), 1)
        self.assertEqual(self.grown("etcd_mvcc_hash_rev_duration_seconds_count"), 1)
        self.assertEqual(self.last.value("etcd_debugging_mvcc_keys_total"), 2)
        self.assertEqual(self.last.value("etcd_debugging_mvcc_current_revision"), 9)
        self.assertEqual(self.last.value("etcd_debugging_mvcc_compact_revision"), 4)
        self.assertGreater(self.grown("etcd_network_client_grpc_received_bytes_total"), 50)
        self.assertGreater(self.grown("etcd_network_client_grpc_sent_bytes_total"), 50)
        self.assertEqual(self.last.value("etcd_server_has_leader"), 1)
        self.assertEqual(self.last.value("etcd_server_is_leader"), 1)
        self.assertEqual(self.last.value("etcd_server_leader_changes_seen_total"), 1)
        self.assertEqual(self.last.value("etcd_server_quota_backend_bytes"), 2 << 30)
        self.assertEqual(self.last.value("etcd_cluster_version", cluster_version="3.7"), 1)
        self.assertEqual(self.last.value("etcd_server_version", server_version="3.7.1"), 1)
        self.assertEqual(self.last.value("etcd_server_feature_enabled", name="FastLeaseKeepAlive", stage="BETA"), 1)
        self.assertIn(("etcd_server_feature_enabled", (("name", "AllAlpha"), ("stage", "ALPHA"))), self.last.values)

    # HTTP-14: metrics and health, and nothing else.
    def test_metrics_port(self):
        url = f"http://127.0.0.1:{self.metrics_port}"
        self.assertEqual(scrape(url).types.get("etcd_server_has_leader"), "gauge")
        for path, status in (("/health", "200"), ("/livez", "200"), ("/readyz", "200"), ("/version", "404")):
            shown = subprocess.run(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", url + path],
                                   capture_output=True, text=True)
            self.assertEqual(shown.stdout, status, path)

    # What the real one has, of the same name, is of the same type.
    @unittest.skipUnless(harness.have("etcd"), "etcd is not installed")
    def test_types_are_those_of_etcd(self):
        server = harness.Server("etcd").start()
        self.addCleanup(server.close)
        theirs = scrape(server.url)
        both = set(theirs.types) & set(self.last.types)
        self.assertGreater(len(both), 60)
        self.assertEqual({n: self.last.types[n] for n in both}, {n: theirs.types[n] for n in both})


if __name__ == "__main__":
    unittest.main()
