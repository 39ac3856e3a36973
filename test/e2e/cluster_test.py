"""Three members in their own processes: election, replication, forwarding, fail-over, the peer port's end points, and
members that are silent, killed or stopped. RAFT-01..08 RAFT-13 RAFT-16 RAFT-22 OPS-17 MEM-08 VER-01"""
import http.client
import json
import unittest
import urllib.error
import urllib.request

import harness
from cluster_harness import Cluster, harness_wait


@unittest.skipUnless(harness.have("etcdctl"), "etcdctl is not installed")
class ThreeMembers(unittest.TestCase):
    def setUp(self):
        self.cluster = Cluster(*[harness.HOLDFAST] * 3).start()
        self.addCleanup(self.cluster.close)

    def test_replicates_and_survives_its_leaders(self):
        members = self.cluster.members
        for i, member in enumerate(members):
            member.put(f"by-{i}", str(i))
        for member in members:
            self.assertEqual([member.get(f"by-{i}") for i in range(3)], ["0", "1", "2"])
        self.cluster.assert_equal_hashes(self)
        # Each in turn is killed while it leads, and comes back.
        for round_number in range(3):
            leader = self.cluster.leader()
            leader.kill()
            rest = [m for m in members if m is not leader]
            self.cluster.leader(rest)
            rest[0].etcdctl("put", "round", str(round_number))
            self.assertEqual(rest[1].get("round"), str(round_number))
            leader.start().wait_ready()
            self.assertEqual(leader.get("round"), str(round_number))
        self.cluster.assert_equal_hashes(self)

    def test_without_quorum_nothing_is_acknowledged(self):
        leader, (first, second) = self.cluster.leader(), self.cluster.followers()
        first.kill()
        second.pause()
        refused = leader.etcdctl("put", "k", "v", timeout="2s", check=False)
        self.assertNotEqual(refused.returncode, 0)
        # TRP-36: who asks for the list as this member knows it gets it, and the status says what is wrong.
        with urllib.request.urlopen(leader.url + "/v3/cluster/member/list", b"{}", timeout=10) as answer:
            self.assertEqual(len(json.load(answer)["members"]), 3)
        harness_wait(lambda: leader.status().get("errors") == ["etcdserver: no leader"], 20,
                     lambda: str(leader.status()))
        # A member that joins may be what the quorum waits for, and asks this first: it is not kept waiting.
        with self.assertRaises(urllib.error.HTTPError) as unanswered:
            urllib.request.urlopen(leader.peer_url + "/downgrade/enabled", timeout=20)
        self.assertEqual((unanswered.exception.code, unanswered.exception.read()),
                         (500, b"failed linearized read: context deadline exceeded\n"))
        second.resume()
        self.cluster.leader([leader, second])
        leader.etcdctl("put", "k", "w")
        self.assertEqual(second.get("k"), "w")
        first.start().wait_ready()
        self.assertEqual(first.get("k"), "w")

    def test_a_dead_leader_is_not_waited_for(self):
        words = "the leader's process has ended"
        dead, other = self.cluster.followers()
        leader = self.cluster.leader()
        dead.kill()
        harness_wait(lambda: "Connection refused" in other.log(), 30, other.log, other)
        self.assertNotIn(words, other.log())
        dead.start().wait_ready()
        leader.kill()
        self.cluster.leader([dead, other])
        for member in (dead, other):
            self.assertEqual(member.log().count(words), 1, member.log())

    # OPS-17
    def test_a_member_that_stops_in_order_comes_back(self):
        follower = self.cluster.followers()[0]
        follower.stop()
        self.cluster.leader([m for m in self.cluster.members if m is not follower]).put("k", "v")
        follower.start().wait_ready()
        self.assertEqual(follower.get("k"), "v")


@unittest.skipUnless(harness.have("etcdctl"), "etcdctl is not installed")
class PeerPort(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(*[harness.HOLDFAST] * 3).start()
        cls.addClassCleanup(cls.cluster.close)
        cls.port = cls.cluster.members[0].peer_port

    def ask(self, method, path, fields=None, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        self.addCleanup(connection.close)
        connection.request(method, path, body, fields or {})
        answer = connection.getresponse()
        return answer, answer.read().decode()

    def introduction(self, **changes):
        fields = {"X-Server-From": "1234", "X-Server-Version": "3.7.1", "X-Min-Cluster-Version": "3.0.0",
                  "X-Etcd-Cluster-ID": self.cluster_id()}
        fields.update({k.replace("_", "-"): v for k, v in changes.items()})
        return fields

    def cluster_id(self):
        return self.ask("GET", "/members")[0].headers["X-Etcd-Cluster-ID"]

    def test_members_and_versions(self):
        answer, body = self.ask("GET", "/members")
        self.assertEqual(answer.status, 200)
        members = json.loads(body)
        self.assertEqual([m["peerURLs"] for m in members], sorted([[m.peer_url] for m in self.cluster.members]))
        # VER-01: decided by the leader after it has asked everybody.
        harness_wait(lambda: json.loads(self.ask("GET", "/version")[1])["etcdcluster"] == "3.7.0", 30,
                     lambda: "the cluster's version stays " + self.ask("GET", "/version")[1])
        self.assertEqual(self.ask("GET", "/downgrade/enabled")[1], "false")
        self.assertTrue(json.loads(self.ask("GET", "/raft/probing")[1])["OK"])
        answer, body = self.ask("GET", "/members/hashkv", {"X-Etcd-Cluster-ID": self.cluster_id()}, '{"revision":0}')
        self.assertEqual(json.loads(body)["hash"], self.cluster.members[0].hash_kv()[0])

    # RAFT-05
    def test_wrong_methods_and_paths(self):
        for method, path, allowed in (("GET", "/raft", "POST"), ("GET", "/raft/snapshot", "POST"),
                                      ("POST", "/raft/stream/message/1", "GET"), ("PUT", "/members", "GET")):
            answer, body = self.ask(method, path)
            self.assertEqual((answer.status, answer.headers["Allow"], body), (405, allowed, "Method Not Allowed\n"))
        self.assertEqual(self.ask("GET", "/nothing")[0].status, 404)

    # RAFT-04
    def test_strangers_are_refused(self):
        for changes, text in (({"X-Etcd-Cluster-ID": "1"}, "cluster ID mismatch\n"),
                              ({"X_Server_Version": "2.3.0"}, "incompatible version\n"),
                              ({"X_Min_Cluster_Version": "3.8.0"}, "incompatible version\n")):
            answer, body = self.ask("POST", "/raft", self.introduction(**changes), b"")
            self.assertEqual((answer.status, body), (412, text))

    # RAFT-07
    def test_streams_that_are_not_opened(self):
        for path, to, status, text in (("/raft/stream/message/zz", "1", 404, "invalid from\n"),
                                       ("/raft/stream/other/1", "1", 404, "invalid path\n"),
                                       ("/raft/stream/message/1234", "1", 404, "error sender not found\n")):
            answer, body = self.ask("GET", path, {**self.introduction(), "X-Raft-To": to})
            self.assertEqual((answer.status, body), (status, text))
            self.assertEqual(answer.headers["X-Server-Version"], "3.7.1")
        other = format(self.cluster.members[1].id(), "x")
        answer, body = self.ask("GET", f"/raft/stream/message/{other}", {**self.introduction(), "X-Raft-To": "1"})
        self.assertEqual((answer.status, body), (412, "to field mismatch\n"))

    # RAFT-16, RAFT-17, RAFT-21
    def test_posts_that_make_no_sense(self):
        answer, body = self.ask("POST", "/raft", self.introduction(), b"\xff\xff")
        self.assertEqual((answer.status, body), (400, "error unmarshalling raft message\n"))
        # MsgHeartbeat to member 7.
        answer, body = self.ask("POST", "/raft", self.introduction(), bytes([0x08, 8, 0x10, 7, 0x18, 9]))
        self.assertEqual((answer.status, json.loads(body)["message"]),
                         (403, "cannot process message to mismatch member"))
        answer, body = self.ask("POST", "/raft/snapshot", self.introduction(), bytes(7) + b"\x02\x08\x08rest")
        self.assertEqual((answer.status, body), (400, "wrong raft message type\n"))
        answer, body = self.ask("POST", "/raft/snapshot", self.introduction(), b"\x7f" + bytes(20))
        self.assertEqual(answer.status, 400)


if __name__ == "__main__":
    unittest.main()
