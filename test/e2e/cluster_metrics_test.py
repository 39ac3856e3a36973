"""What dashboards of clusters show: the series of peers, of members that come and of snapshots, that they count, and that
they are of the types that etcd gives them.
MET-05 MET-07 MET-15 MET-16 MET-17"""
import unittest

import harness
import metrics_test
from cluster_harness import Cluster, Member, harness_wait


def scrape(member):
    return metrics_test.scrape(member.url)


@unittest.skipUnless(harness.have("etcdctl"), "etcdctl is not installed")
class ClusterMetrics(unittest.TestCase):
    def cluster(self, binary, count=3):
        cluster = Cluster(*[binary] * count).start()
        self.addCleanup(cluster.close)
        return cluster

    def wait_value(self, member, least, series, **labels):
        harness_wait(lambda: scrape(member).value(series, **labels) >= least, 20,
                     lambda: f"{member.name}: {series} {labels}: {scrape(member).value(series, **labels)}, not {least}")

    def test_peers(self):
        cluster = self.cluster(harness.HOLDFAST)
        ids = {m: m.hex_id() for m in cluster.members}
        leader = cluster.leader()
        before = scrape(leader)
        for i in range(20):
            leader.put("k", "v" * 100)
        for member in cluster.members:
            for other in cluster.members:
                if other is member:
                    continue
                self.wait_value(member, 1, "etcd_network_active_peers", Local=ids[member], Remote=ids[other])
                self.wait_value(member, 1, "etcd_network_known_peers", Local=ids[member], Remote=ids[other])
                self.wait_value(member, 1, "etcd_network_peer_round_trip_time_seconds_count", To=ids[other])
        followers = [m for m in cluster.members if m is not leader]
        after = scrape(leader)
        for follower in followers:
            sent = after.value("etcd_network_peer_sent_bytes_total", To=ids[follower]) - before.value(
                "etcd_network_peer_sent_bytes_total", To=ids[follower])
            self.assertGreater(sent, 20 * 100)
            received = scrape(follower).value("etcd_network_peer_received_bytes_total", From=ids[leader])
            self.assertGreater(received, 20 * 100)
        self.assertEqual(after.buckets("etcd_network_peer_round_trip_time_seconds"), metrics_test.exponential(0.0001, 2, 16))
        self.assertEqual(after.value("etcd_server_snapshot_apply_in_progress_total"), 0)

        lost = followers[0]
        labels = {"Local": ids[leader], "Remote": ids[lost]}
        lost.kill()
        harness_wait(lambda: scrape(leader).value("etcd_network_active_peers", **labels) == 0, 20,
                     lambda: "the lost peer is active still")
        self.wait_value(leader, 1, "etcd_network_disconnected_peers_total", **labels)
        self.wait_value(leader, 1, "etcd_network_peer_sent_failures_total", To=ids[lost])
        lost.start(state="existing").wait_ready()
        self.wait_value(leader, 1, "etcd_network_active_peers", **labels)

    def test_learners(self):
        cluster = self.cluster(harness.HOLDFAST, 1)
        first = cluster.members[0]
        learner = Member(cluster, "m2", harness.HOLDFAST)
        cluster.members.append(learner)
        first.etcdctl("member", "add", learner.name, "--learner", f"--peer-urls={learner.peer_url}")
        listed = {m["peerURLs"][0]: f"{m['ID']:x}" for m in first.json("member", "list")["members"]}
        promote = ["member", "promote", listed[learner.peer_url]]
        self.assertNotEqual(first.etcdctl(*promote, check=False).returncode, 0)
        self.assertEqual(scrape(first).value("etcd_server_learner_promote_successes"), 0)
        failures = {labels: n for (name, labels), n in scrape(first).values.items()
                    if name == "etcd_server_learner_promote_failures"}
        self.assertEqual(sum(failures.values()), 1, failures)
        self.assertEqual({tuple(dict(labels)) for labels in failures}, {("Reason",)})
        learner.start(state="existing")
        harness_wait(lambda: harness.listens(learner.client_port), 20, learner.log)
        harness_wait(lambda: scrape(learner).value("etcd_server_is_learner") == 1, 20, learner.log)
        harness_wait(lambda: first.etcdctl(*promote, check=False).returncode == 0, 30, learner.log)
        self.assertEqual(scrape(first).value("etcd_server_learner_promote_successes"), 1)
        harness_wait(lambda: scrape(learner).value("etcd_server_is_learner") == 0, 20, learner.log)

    # A cluster's series that stand only in a cluster; of both after the same doings.
    @unittest.skipUnless(harness.have("etcd"), "etcd is not installed")
    def test_types_and_labels_are_those_of_etcd(self):
        shown = []
        for binary in (harness.HOLDFAST, "etcd"):
            cluster = self.cluster(binary)
            for member in cluster.members:
                for other in cluster.members:
                    if other is not member:
                        self.wait_value(member, 1, "etcd_network_peer_round_trip_time_seconds_count", To=other.hex_id())
            page = scrape(cluster.leader())
            shown.append({n: (kind, page.labels_of(n)) for n, kind in page.types.items() if n.startswith("etcd_network_peer_")
                          or n in ("etcd_network_active_peers", "etcd_network_known_peers")})
            cluster.close()
        ours, theirs = shown
        for name, what in theirs.items():
            self.assertEqual(ours.get(name), what, name)
        self.assertGreaterEqual(len(theirs), 4)


if __name__ == "__main__":
    unittest.main()
