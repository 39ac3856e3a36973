"""Leases, locks and elections through the real etcdctl; keep-alive on every member of a cluster; leases across a change of
leader. LEA-01 LEA-02 LEA-04 LEA-05 LEA-10 LEA-11 LEA-12 LEA-13 LCK-01 LCK-02 ELC-01 ELC-04 TRP-25 TRP-26"""
import subprocess
import time
import unittest

import cluster_harness
import harness


def lease_id(output):
    return output.split()[1]


@unittest.skipUnless(harness.have("etcdctl"), "etcdctl is not installed")
class Lease(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = harness.Server(harness.HOLDFAST).start()
        cls.addClassCleanup(cls.server.close)

    def ctl(self, *arguments, **more):
        return self.server.etcdctl(*arguments, **more).stdout.strip()

    def test_life_of_a_lease(self):
        granted = self.ctl("lease", "grant", "100")
        lease = lease_id(granted)
        self.assertEqual(granted, f"lease {lease} granted with TTL(100s)")
        self.ctl("put", "--lease", lease, "life/a", "1")
        self.ctl("put", "--lease", lease, "life/b", "1")
        self.ctl("put", "life/b", "2")  # taken off again
        self.assertRegex(self.ctl("lease", "timetolive", "--keys", lease),
                         rf"lease {lease} granted with TTL\(100s\), remaining\((9\d|100)s\), attached keys\(\[life/a\]\)")
        self.assertIn(lease, self.ctl("lease", "list"))
        self.assertEqual(self.ctl("lease", "keep-alive", "--once", lease),
                         f"lease {lease} keepalived with TTL(100)")
        self.assertEqual(self.ctl("lease", "revoke", lease), f"lease {lease} revoked")
        self.assertEqual(self.ctl("get", "life/", "--prefix"), "life/b\n2")
        self.assertEqual(self.ctl("lease", "timetolive", lease), f"lease {lease} already expired")
        self.assertIn("requested lease not found", self.server.etcdctl("lease", "revoke", lease, check=False).stderr)

    def test_a_lease_ends(self):
        lease = lease_id(self.ctl("lease", "grant", "1"))  # raised to 2 s
        self.ctl("put", "--lease", lease, "ends", "x")
        kept = lease_id(self.ctl("lease", "grant", "5"))
        self.ctl("put", "--lease", kept, "kept", "x")
        keeper = subprocess.Popen(["etcdctl", "--endpoints", self.server.url, "lease", "keep-alive", kept],
                                  stdout=subprocess.PIPE, env={"ETCDCTL_API": "3", "PATH": "/usr/bin:/bin"})
        self.addCleanup(keeper.wait)
        self.addCleanup(keeper.stdout.close)
        self.addCleanup(keeper.kill)
        harness_wait(lambda: not self.ctl("get", "ends"))
        time.sleep(6)
        self.assertEqual(self.ctl("get", "kept"), "kept\nx")
        keeper.kill()
        harness_wait(lambda: not self.ctl("get", "kept"))


@unittest.skipUnless(harness.have("etcdctl"), "etcdctl is not installed")
class Concurrency(unittest.TestCase):
    def setUp(self):
        self.server = harness.Server(harness.HOLDFAST).start()
        self.addCleanup(self.server.close)

    def run_etcdctl(self, *arguments):
        process = subprocess.Popen(["etcdctl", "--endpoints", self.server.url, *arguments], stdout=subprocess.PIPE,
                                   text=True, env={"ETCDCTL_API": "3", "PATH": "/usr/bin:/bin"})

        def end():
            if process.poll() is None:
                process.terminate()
            process.wait(20)
            process.stdout.close()
        self.addCleanup(end)
        return process

    def test_lock(self):
        first = self.run_etcdctl("lock", "m")
        self.assertTrue(first.stdout.readline().startswith("m/"))
        second = self.run_etcdctl("lock", "m", "echo", "held")
        harness_wait(lambda: len(self.server.etcdctl("get", "m/", "--prefix", "--keys-only").stdout.split()) == 2)
        self.assertIsNone(second.poll())
        first.terminate()  # lets go
        self.assertEqual(second.stdout.readline(), "held\n")

    def test_elect(self):
        first = self.run_etcdctl("elect", "e", "one")
        self.assertTrue(first.stdout.readline().startswith("e/"))
        self.assertEqual(first.stdout.readline(), "one\n")
        listener = self.run_etcdctl("elect", "-l", "e")
        listener.stdout.readline()
        self.assertEqual(listener.stdout.readline(), "one\n")
        second = self.run_etcdctl("elect", "e", "two")
        harness_wait(lambda: len(self.server.etcdctl("get", "e/", "--prefix", "--keys-only").stdout.split()) == 2)
        first.terminate()
        self.assertTrue(second.stdout.readline().startswith("e/"))
        listener.stdout.readline()
        self.assertEqual(listener.stdout.readline(), "two\n")


def harness_wait(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("what was waited for did not come")
        time.sleep(0.1)


@unittest.skipUnless(harness.have("etcdctl"), "etcdctl is not installed")
class Cluster(unittest.TestCase):
    def setUp(self):
        self.cluster = cluster_harness.Cluster(*[harness.HOLDFAST] * 3)
        self.addCleanup(self.cluster.close)
        self.cluster.start()

    # LEA-10: renewals go from any member to the leader.
    def test_every_member_keeps_alive(self):
        lease = lease_id(self.cluster.members[0].etcdctl("lease", "grant", "200").stdout)
        self.cluster.members[0].etcdctl("put", "--lease", lease, "k", "v")
        for member in self.cluster.members:
            self.assertEqual(member.etcdctl("lease", "keep-alive", "--once", lease).stdout.strip(),
                             f"lease {lease} keepalived with TTL(200)")
            self.assertRegex(member.etcdctl("lease", "timetolive", "--keys", lease).stdout,
                             r"remaining\((19\d|200)s\), attached keys\(\[k\]\)")
            self.assertEqual(member.etcdctl("lease", "timetolive", "1234").stdout.strip(),
                             "lease 0000000000001234 already expired")
            self.assertIn(lease, member.etcdctl("lease", "list").stdout)

    # LEA-13, TRP-25: a new leader gives every lease its whole time.
    def test_no_lease_ends_early(self):
        leader = self.cluster.leader()
        others = [m for m in self.cluster.members if m is not leader]
        lease = lease_id(leader.etcdctl("lease", "grant", "4").stdout)
        leader.etcdctl("put", "--lease", lease, "k", "v")
        time.sleep(2.5)
        leader.kill()
        killed = time.monotonic()
        harness_wait(lambda: others[0].etcdctl("get", "k", check=False).returncode == 0)
        while True:
            answer = others[0].etcdctl("get", "k").stdout
            if time.monotonic() > killed + 4:  # the old time is over, the new one not before killed + 4.5
                break
            self.assertEqual(answer, "k\nv\n")
            time.sleep(0.2)
        harness_wait(lambda: not others[1].etcdctl("get", "k").stdout)


if __name__ == "__main__":
    unittest.main()
