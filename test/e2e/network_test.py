"""Three members that each have a network of their own, with a router between them that can drop what one sends to another.
Needs the right to make network namespaces; is left out without. RAFT-12..15 RAFT-22 RAL-04 RAL-05 TRP-44"""
import threading
import unittest

import harness
import network
from cluster_harness import Cluster, harness_wait


class Partition(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(*[harness.HOLDFAST] * 3)
        cls.addClassCleanup(cls.cluster.close)
        cls.router = network.Router(cls.cluster.members)
        cls.cluster.start()

    def setUp(self):
        self.addCleanup(self.router.heal)
        self.leader, self.followers = self.cluster.leader(), self.cluster.followers()

    def settled(self):
        self.router.heal()
        self.cluster.leader()
        for member in self.cluster.members:
            harness_wait(lambda m=member: m.etcdctl("put", "settled", m.name, check=False).returncode == 0, 30,
                         lambda m=member: m.log())
        self.cluster.assert_equal_hashes(self)

    def test_leader_cut_off(self):
        self.router.cut(self.leader, self.followers)
        heir = self.cluster.leader(self.followers)
        self.followers[0].etcdctl("put", "k", "during")
        self.assertEqual(self.followers[1].get("k"), "during")
        # The old leader knows that it leads nobody, and answers neither writes nor reads that must be up to date.
        harness_wait(lambda: not self.leader.leads(), 30, lambda: self.leader.log())
        self.assertNotEqual(self.leader.etcdctl("put", "k", "lost", timeout="1s", check=False).returncode, 0)
        self.assertNotEqual(self.leader.etcdctl("get", "k", timeout="1s", check=False).returncode, 0)
        self.router.heal()
        harness_wait(lambda: self.leader.etcdctl("get", "k", "--print-value-only", check=False).stdout.strip() == "during",
                     30, lambda: self.leader.log())
        self.assertTrue(heir.leads())
        self.settled()

    def test_follower_that_does_not_hear_the_leader(self):
        deaf, other = self.followers
        term = self.leader.status()["raftTerm"]
        self.router.drop(self.leader, deaf)
        for i in range(20):
            other.put("k", str(i))
        # Pre-vote: it asks, and is told that there is a leader.
        harness_wait(lambda: "MsgPreVote" in deaf.log(), 30, lambda: deaf.log())
        self.assertEqual(self.leader.status()["raftTerm"], term)
        self.assertTrue(self.leader.leads())
        self.settled()
        self.assertEqual(deaf.get("k"), "19")

    # RAFT-15: what waits for a peer that takes nothing is bounded, and nobody else waits for it.
    def test_dead_peer_costs_little(self):
        dead, alive = self.followers
        self.router.cut(dead, [self.leader, alive])
        before = self.leader.rss()
        value = "x" * 100_000

        def write(number):
            for i in range(150):
                self.leader.etcdctl("put", f"big{number}", value + str(i))
        writers = [threading.Thread(target=write, args=(n,)) for n in range(4)]
        for w in writers:
            w.start()
        for w in writers:
            w.join()
        # 60 MB were written: the log keeps them for a follower that catches up, and nothing keeps them twice.
        self.assertLess(self.leader.rss() - before, 200e6)
        self.assertEqual(alive.get("big3")[-3:], "149")
        self.settled()
        self.assertEqual(dead.get("big3")[-3:], "149")


if __name__ == "__main__":
    network.main()
