"""A member that was away for longer than the log is kept catches up over a snapshot, from holdfast or from etcd, and one
whose disk was lost comes back; with writes going on. (SNP-03, RAFT-17, RAFT-18, BKT-16, TRP-46)"""
import json
import os
import subprocess
import unittest
import urllib.request

import harness
from cluster_harness import Cluster, harness_wait

BENCH = os.path.join(os.path.dirname(harness.HOLDFAST), "holdfast-bench")
ETCD = os.environ.get("ETCD_BIN", "/usr/bin/etcd")


# etcd's answers while there is no leader, or one has just gone: on a machine that has no time for a member it may lose its
# office. Whoever gets one asks again.
LOST_LEADER = ("UNAVAILABLE: etcdserver: request timed out", "UNAVAILABLE: etcdserver: no leader",
               "UNAVAILABLE: etcdserver: leader changed")


def load(member, puts, keys=500):
    """So many answered puts; values of 100 bytes to keys of a small space: most entries overwrite."""
    for _ in range(5):
        ran = subprocess.run([BENCH, "put", "--endpoint", f"127.0.0.1:{member.client_port}", "--requests", str(puts),
                              "--key-space", str(keys), "--value-size", "100", "--connections", "2", "--streams", "5",
                              "--json"], capture_output=True, text=True)
        if ran.returncode == 0:
            return
        report = json.loads(ran.stdout)
        strange = {e: n for e, n in report["errors"].items() if not e.startswith(LOST_LEADER)}
        assert not strange, (strange, member.log())
        print(f"{member.name}: {report['errors']}, asked again")
        puts = report["failures"]
    raise AssertionError(f"{member.name}: puts fail again and again: {ran.stdout}\n{member.log()}")


def metric(member, name):
    with urllib.request.urlopen(member.url + "/metrics") as answer:
        return sum(float(line.split()[-1]) for line in answer.read().decode().splitlines()
                   if line.startswith(name + "{") or line.startswith(name + " "))


@unittest.skipUnless(harness.have("etcdctl") and os.path.exists(BENCH), "etcdctl or holdfast-bench is missing")
class CatchUp(unittest.TestCase):
    def cluster(self, *binaries):
        cluster = Cluster(*binaries, flags=["--snapshot-count=100"])
        self.addCleanup(cluster.close)
        for member in cluster.members:
            # Debian's etcd has no such flag: it always keeps 5,000.
            member.flags = ["--snapshot-catchup-entries=50"] if member.binary == harness.HOLDFAST else []
        return cluster.start()

    def test_behind_and_under_load(self):
        cluster = self.cluster(*[harness.HOLDFAST] * 3)
        late = cluster.followers()[0]
        others = [m for m in cluster.members if m is not late]
        load(others[0], 300)
        late.kill()
        load(others[0], 1500)
        late.start()
        load(others[0], 500)
        late.wait_ready()
        cluster.assert_equal_hashes(self)
        self.assertGreaterEqual(metric(late, "etcd_network_snapshot_receive_success"), 1)
        self.assertGreaterEqual(sum(metric(m, "etcd_network_snapshot_send_success") for m in others), 1)
        # MET-18 MET-19 MET-22 MET-23
        for name in ("etcd_network_snapshot_receive_total_duration_seconds", "etcd_snap_db_fsync_duration_seconds",
                     "etcd_snap_db_save_total_duration_seconds"):
            self.assertGreaterEqual(metric(late, name + "_count"), 1, name)
        for name in ("etcd_network_snapshot_send_total_duration_seconds", "etcd_disk_backend_snapshot_duration_seconds",
                     "etcd_snap_fsync_duration_seconds", "etcd_debugging_snap_save_total_duration_seconds",
                     "etcd_debugging_snap_save_marshalling_duration_seconds"):
            self.assertGreaterEqual(sum(metric(m, name + "_count") for m in others), 1, name)
        # It is a member as before: it counts for a quorum, and it starts again.
        others[1].kill()
        cluster.leader([others[0], late])
        load(late, 100)
        late.kill()
        others[1].start()
        late.start().wait_ready()
        cluster.assert_equal_hashes(self)


# Members before 3.6 speak of themselves in v2 requests, which apply does not know yet.
@unittest.skipUnless(harness.have("etcdctl") and os.path.exists(BENCH) and harness.version_of(ETCD) >= (3, 4),
                     "etcd 3.7, etcdctl or holdfast-bench is missing")
class AmongEtcd(CatchUp):
    test_behind_and_under_load = None

    def catch_up(self, binaries, puts):
        cluster = self.cluster(*binaries)
        late = cluster.members[2]
        load(cluster.members[0], 100)
        late.kill()
        cluster.leader(cluster.members[:2])
        load(cluster.members[0], puts)
        late.start().wait_ready()
        cluster.assert_equal_hashes(self)
        for member in cluster.members:
            member.put("by", member.name)
        cluster.assert_equal_hashes(self)
        return late

    def test_from_etcd(self):
        # More than the 5,000 entries that it keeps in any case.
        late = self.catch_up([ETCD, ETCD, harness.HOLDFAST], 6000)
        self.assertGreaterEqual(metric(late, "etcd_network_snapshot_receive_success"), 1)

    def test_to_etcd(self):
        late = self.catch_up([harness.HOLDFAST, harness.HOLDFAST, ETCD], 600)
        self.assertGreaterEqual(metric(late, "etcd_network_snapshot_receive_success"), 1)


if __name__ == "__main__":
    unittest.main()
