"""Members come and go while the others work: add, join, promote, update, remove, replace, and who may not.
MEM-04 MEM-08 MEM-11 MEM-12 MEM-14 MEM-15 CLU-01..09 MNT-09 OPS-06 OPS-07 OPS-11"""
import os
import re
import shutil
import threading
import unittest

import harness
from cluster_harness import Cluster, Member, harness_wait


class Load:
    """Puts to some member of the cluster, one after the other, until it ends."""

    def __init__(self, *members):
        self.members, self.acknowledged, self.stopping = members, [], False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        number = 0
        while not self.stopping:
            number += 1
            member = self.members[number % len(self.members)]
            if member.etcdctl("put", f"load-{number}", str(number), check=False).returncode == 0:
                self.acknowledged.append(number)

    def end(self):
        self.stopping = True
        self.thread.join()
        return self.acknowledged


@unittest.skipUnless(harness.have("etcdctl"), "etcdctl is not installed")
class Membership(unittest.TestCase):
    def start(self, count):
        cluster = Cluster(*[harness.HOLDFAST] * count).start()
        self.addCleanup(cluster.close)
        return cluster

    def new_member(self, cluster, name):
        member = Member(cluster, name, harness.HOLDFAST)
        cluster.members.append(member)
        return member

    def add(self, by, member, *more, check=True):
        # Connections count as healthy after five seconds (CLU-04).
        end = []

        def try_it():
            end[:] = [by.etcdctl("member", "add", member.name, f"--peer-urls={member.peer_url}", *more,
                                 check=False)]
            return "unhealthy cluster" not in end[0].stderr
        harness_wait(try_it, 20, lambda: end[0].stderr)
        if check:
            self.assertEqual(end[0].returncode, 0, end[0].stderr)
        return end[0]

    def test_one_member_grows_to_three_under_load_and_shrinks(self):
        cluster = self.start(1)
        first = cluster.members[0]
        second = self.new_member(cluster, "m2")
        answer = self.add(first, second)
        self.assertIn("ETCD_INITIAL_CLUSTER_STATE=\"existing\"", answer.stdout)
        second.start(state="existing").wait_ready()

        # A learner: it answers hardly anything, may be one only, and is promoted when it has caught up.
        learner = self.new_member(cluster, "m3")
        self.add(second, learner, "--learner")
        self.assertIn("too many learner members in cluster",
                      first.etcdctl("member", "add", "x", "--learner", "--peer-urls=http://127.0.0.1:1",
                                    check=False).stderr)
        self.assertIn("can only promote a learner member which is in sync with leader",
                      first.etcdctl("member", "promote", self.id_of(first, learner), check=False).stderr)
        learner.start(state="existing")
        harness_wait(lambda: learner.etcdctl("endpoint", "status", check=False).returncode == 0, 20,
                     learner.log, learner)
        harness_wait(lambda: learner.status().get("isLearner", False), 20, learner.log)
        load = Load(first, second)
        self.addCleanup(load.end)
        self.assertIn("rpc not supported for learner", learner.etcdctl("put", "a", "b", check=False).stderr)
        # By a member that does not lead, which passes it on.
        def promote():
            follower = next(m for m in (first, second) if not m.leads())
            result = follower.etcdctl("member", "promote", self.id_of(first, learner), check=False)
            return result.returncode == 0
        harness_wait(promote, 20, learner.log)
        self.assertIn("can only promote a learner member",
                      first.etcdctl("member", "promote", self.id_of(first, learner), check=False).stderr)
        learner.put("by", "a voter")
        acknowledged = load.end()
        self.assertGreater(len(acknowledged), 0)
        cluster.assert_equal_hashes(self)
        for number in acknowledged:
            self.assertEqual(learner.get(f"load-{number}"), str(number))

        # It goes, whoever leads, and knows it: the process ends with success (MEM-15).
        leader = cluster.leader()
        rest = [m for m in cluster.members if m is not leader]
        gone = leader.hex_id()
        harness_wait(lambda: rest[0].etcdctl("member", "remove", gone, check=False).returncode == 0, 20, rest[0].log)
        self.assertEqual(leader.process.wait(20), 0, leader.log())
        self.assertIn("the member has been permanently removed from the cluster", leader.log())
        cluster.leader(rest)
        rest[0].put("after", "removal")
        self.assertEqual(rest[1].get("after"), "removal")
        # An id is used once; and with its data it can't come back (CLU-07).
        self.assertIn("member not found", rest[0].etcdctl("member", "remove", gone, check=False).stderr)
        leader.start()
        self.assertEqual(leader.process.wait(30), 0, leader.log())

    def id_of(self, by, member):
        for line in by.etcdctl("member", "list").stdout.splitlines():
            fields = [f.strip() for f in line.split(",")]
            if member.peer_url in fields:
                return fields[0]
        raise AssertionError(f"{member.name} is not listed")

    def test_a_lost_member_is_replaced(self):
        cluster = self.start(3)
        lost = cluster.followers()[0]
        rest = [m for m in cluster.members if m is not lost]
        old = lost.hex_id()
        rest[0].put("k", "v")
        lost.kill()
        shutil.rmtree(lost.data_dir)
        # Its place is taken: it voted before, and does not know how (MEM-12).
        lost.start()
        self.assertNotEqual(lost.process.wait(20), 0)
        self.assertRegex(lost.log(), f"member {old} has already been bootstrapped")
        rest[0].etcdctl("member", "remove", old)
        self.add(rest[0], lost)
        # The flags must name the members that there are.
        cluster.members.append(Member(cluster, "stranger", harness.HOLDFAST))
        lost.start(state="existing")
        self.assertNotEqual(lost.process.wait(20), 0)
        self.assertIn("member count is unequal", lost.log())
        cluster.members.pop()
        lost.start(state="existing").wait_ready()
        self.assertEqual(lost.get("k"), "v")
        cluster.assert_equal_hashes(self)

    # CLU-08
    def test_peer_urls_are_updated(self):
        cluster = self.start(3)
        follower = cluster.followers()[0]
        leader = cluster.leader()
        number = follower.hex_id()
        follower.stop()
        follower.peer_port = harness.free_ports(1)[0]
        leader.etcdctl("member", "update", number, f"--peer-urls={follower.peer_url}")
        follower.start().wait_ready()
        leader.put("k", "v")
        self.assertEqual(follower.get("k"), "v")
        taken = leader.etcdctl("member", "update", leader.hex_id(), f"--peer-urls={follower.peer_url}", check=False)
        self.assertIn("Peer URLs already exists", taken.stderr)
        self.assertIn("member not found", leader.etcdctl("member", "update", "1234", "--peer-urls=http://127.0.0.1:1",
                                                         check=False).stderr)

    # OPS-07: more may be down than up, and nothing must make it worse.
    def test_the_quorum_is_protected(self):
        cluster = self.start(3)
        down = cluster.followers()[0]
        up = [m for m in cluster.members if m is not down]
        down.stop()
        fresh = Member(cluster, "fresh", harness.HOLDFAST)
        refused = up[0].etcdctl("member", "add", fresh.name, f"--peer-urls={fresh.peer_url}", check=False)
        self.assertIn("unhealthy cluster", refused.stderr)
        refused = up[0].etcdctl("member", "remove", up[1].hex_id(), check=False)
        self.assertIn("unhealthy cluster", refused.stderr)

    # MNT-09 OPS-11
    def test_leadership_moves_when_asked_and_at_the_end(self):
        cluster = self.start(3)
        leader, (first, second) = cluster.leader(), cluster.followers()
        endpoints = ",".join(m.url for m in cluster.members)
        moved = leader.etcdctl("--endpoints", endpoints, "move-leader", first.hex_id())
        self.assertIn("Leadership transferred", moved.stdout)
        self.assertTrue(first.leads())
        self.assertIn("bad leader transferee",
                      leader.etcdctl("--endpoints", endpoints, "move-leader", "1234", check=False).stderr)
        term = first.status()["raftTerm"]
        first.stop()
        self.assertIn("leadership transfer finished", first.log())
        self.assertEqual(cluster.leader([leader, second]).status()["raftTerm"], term + 1)

    # MEM-14
    def test_one_of_three_goes_on_alone(self):
        cluster = self.start(3)
        survivor = cluster.members[2]
        # What is committed is known for sure with the next entry only (TRP-53).
        for value in ("v", "last"):
            cluster.members[0].put("k" if value == "v" else value, value)
            self.assertEqual(survivor.get("k"), "v")
        for member in cluster.members:
            member.kill()
        survivor.start("--force-new-cluster").wait_ready()
        self.assertEqual(survivor.get("k"), "v")
        survivor.put("k", "w")
        self.assertEqual(len(survivor.etcdctl("member", "list").stdout.splitlines()), 1)
        survivor.stop()
        survivor.start().wait_ready()
        self.assertEqual(survivor.get("k"), "w")

    def test_downgrades_are_prepared(self):  # MNT-10 VER-07 VER-08
        cluster = self.start(1)
        member = cluster.members[0]
        etcdctl = "/work/.ref/bin/etcdctl"
        if not os.path.exists(etcdctl):
            self.skipTest("etcdctl 3.6 or later is needed")
        import subprocess

        def downgrade(*arguments):
            return subprocess.run([etcdctl, "--endpoints", member.url, "downgrade", *arguments], capture_output=True,
                                  text=True)
        self.assertIn("invalid downgrade target version", downgrade("validate", "3.5").stderr)
        self.assertIn("wrong downgrade target version format", downgrade("validate", "x").stderr)
        self.assertIn("cluster version 3.7", downgrade("validate", "3.6").stdout)
        self.assertEqual(downgrade("enable", "3.6").returncode, 0)
        harness_wait(lambda: "3.6.0" == member.status().get("storageVersion", "3.6.0") and
                     re.search(r'to-cluster-version|"3.6', member.log()) is not None, 20, member.log)
        self.assertIn("a downgrade job in progress", downgrade("validate", "3.5").stderr)
        self.assertEqual(downgrade("cancel").returncode, 0)


if __name__ == "__main__":
    unittest.main()
