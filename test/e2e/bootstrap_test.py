"""Members that find each other by DNS, and who is refused at the start.
OPS-01 OPS-04 OPS-06 OPS-18 OPS-19 MEM-11 MEM-12 MEM-15 RAFT-04 F-047 F-048"""
import os
import shutil
import socket
import struct
import subprocess
import threading
import unittest

import harness
from cluster_harness import Cluster, Member, harness_wait


class NameServer:
    """Answers A and SRV questions on a UDP port: `answers` has (name, type) -> list of record data."""
    A, SRV = 1, 33

    def __init__(self, address, answers):
        self.answers = answers
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, 53))
        threading.Thread(target=self.run, daemon=True).start()

    @staticmethod
    def encode(name):
        return b"".join(bytes([len(part)]) + part.encode() for part in name.strip(".").split(".")) + b"\0"

    def srv(self, port, target):
        return struct.pack(">HHH", 0, 0, port) + self.encode(target)

    def run(self):
        while True:
            try:
                question, client = self.socket.recvfrom(2048)
                self.socket.sendto(self.answer(question), client)
            except OSError:  # closed
                return

    def answer(self, question):
        labels, at = [], 12
        while question[at]:
            labels.append(question[at + 1:at + 1 + question[at]].decode())
            at += 1 + question[at]
        kind = struct.unpack(">H", question[at + 1:at + 3])[0]
        name = ".".join(labels).lower()
        records = self.answers.get((name, kind), [])
        known = any(n == name for n, _ in self.answers)
        head = question[:2] + struct.pack(">HHHHH", 0x8180 | (0 if known else 3), 1, len(records), 0, 0)
        body = b"".join(b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 5, len(data)) + data for data in records)
        return head + question[12:at + 5] + body

    def close(self):
        self.socket.close()


def may_mount():
    """Whether a private /etc/resolv.conf can be made, for which a namespace of mounts is needed."""
    return harness.have("unshare", "mount") and subprocess.run(
        ["unshare", "--mount", "true"], capture_output=True).returncode == 0


@unittest.skipUnless(harness.have("etcdctl") and may_mount(), "etcdctl, or the right to mount, is missing")
class Dns(unittest.TestCase):
    ADDRESS = "127.0.0.253"

    def start_cluster(self, names, flags=()):
        cluster = Cluster(*[harness.HOLDFAST] * 2)
        self.addCleanup(cluster.close)
        try:
            server = NameServer(self.ADDRESS, {})
        except OSError as error:
            self.skipTest(str(error))
        self.addCleanup(server.close)
        for number, member in enumerate(cluster.members, 1):
            server.answers[(f"m{number}.example", NameServer.A)] = [socket.inet_aton("127.0.0.1")]
        server.answers[(names, NameServer.SRV)] = [server.srv(m.peer_port, f"{m.name}.example")
                                                   for m in cluster.members]
        resolv = os.path.join(cluster.folder, "resolv.conf")
        with open(resolv, "w") as f:
            f.write(f"nameserver {self.ADDRESS}\noptions timeout:1 attempts:1\n")
        for member in cluster.members:
            member.prefix = ["unshare", "--mount", "sh", "-c",
                             f'mount --bind {resolv} /etc/resolv.conf && exec "$@"', "sh"]
            member.bootstrap = ["--discovery-srv", "example", *flags]
        return cluster

    def test_by_srv_records(self):
        cluster = self.start_cluster("_etcd-server._tcp.example")
        cluster.start()
        first, second = cluster.members
        first.put("k", "v")
        self.assertEqual(second.get("k"), "v")
        urls = {u for m in first.json("member", "list")["members"] for u in m["peerURLs"]}
        self.assertEqual(urls, {f"http://{m.name}.example:{m.peer_port}" for m in cluster.members})

    def test_with_a_name_and_without_records(self):
        cluster = self.start_cluster("_etcd-server-west._tcp.example", ["--discovery-srv-name", "west"])
        cluster.members[1].bootstrap[-1] = "east"
        self.assertIn("error querying DNS SRV records for _etcd-server-east", cluster.members[1].start_in_vain())
        cluster.members[0].start()
        harness_wait(lambda: cluster.members[0].has_said("got bootstrap from DNS for etcd-server"), 20,
                     cluster.members[0].log, cluster.members[0])


@unittest.skipUnless(harness.have("etcdctl"), "etcdctl is not installed")
class Refusals(unittest.TestCase):
    def start(self, count):
        cluster = Cluster(*[harness.HOLDFAST] * count).start()
        self.addCleanup(cluster.close)
        return cluster

    # MEM-12: a lost disk must not vote anew.
    def test_a_member_that_lost_its_disk(self):
        cluster = self.start(3)
        lost = cluster.followers()[0]
        lost.kill()
        shutil.rmtree(lost.data_dir)
        self.assertIn(f"member {lost_id(cluster, lost)} has already been bootstrapped", lost.start_in_vain())

    # MEM-11
    def test_who_does_not_fit_the_cluster_it_wants_to_join(self):
        cluster = self.start(1)
        fresh = Member(cluster, "fresh", harness.HOLDFAST)
        cluster.members.append(fresh)
        self.assertIn("member count is unequal", fresh.start_in_vain(state="existing"))
        cluster.members[0].etcdctl("member", "add", "fresh", "--peer-urls=http://127.0.0.1:1")
        self.assertIn("PeerURLs: no match found for existing member", fresh.start_in_vain(state="existing"))
        shutil.rmtree(fresh.data_dir, ignore_errors=True)
        fresh.bootstrap = ["--initial-cluster", f"x={fresh.peer_url}"]
        self.assertIn("couldn't find local name \\\"fresh\\\" in the initial cluster configuration",
                      fresh.start_in_vain())
        fresh.bootstrap = ["--initial-cluster", f"fresh={fresh.peer_url},b={fresh.peer_url}"]
        self.assertIn("has duplicate url", fresh.start_in_vain())
        fresh.bootstrap = ["--initial-cluster", "fresh=http://127.0.0.1:1"]
        self.assertIn("--initial-cluster has fresh=http://127.0.0.1:1 but missing from "
                      f"--initial-advertise-peer-urls={fresh.peer_url}", fresh.start_in_vain())
        fresh.bootstrap = ["--initial-cluster", f"fresh={fresh.peer_url},b=http://127.0.0.1:1"]
        self.assertIn("cannot fetch cluster info from peer urls: could not retrieve cluster information from the given "
                      "URLs", fresh.start_in_vain(state="existing"))

    # RAFT-04: another token makes another cluster, whose members are strangers.
    def test_another_token_is_another_cluster(self):
        cluster = Cluster(*[harness.HOLDFAST] * 3)
        self.addCleanup(cluster.close)
        first, second, stranger = cluster.members
        for member in (first, second):
            member.start()
        stranger.start("--initial-cluster-token", "another")
        for member in (first, second):
            member.wait_ready()
        first.put("k", "v")
        harness_wait(lambda: "cluster ID mismatch" in stranger.log() or "cluster id mismatch" in stranger.log().lower(),
                     20, stranger.log, stranger)
        self.assertNotEqual(stranger.etcdctl("get", "k", check=False, timeout="1s").returncode, 0)

    # MEM-15 TRP-43
    def test_a_removed_member_that_comes_back_is_sent_away(self):
        cluster = self.start(3)
        gone = cluster.followers()[0]
        others = [m for m in cluster.members if m is not gone]
        identity = gone.hex_id()
        gone.kill()

        def removed():
            return others[0].etcdctl("member", "remove", identity, check=False).returncode == 0
        harness_wait(removed, 20, others[0].log)
        gone.start()
        harness_wait(lambda: not gone.running(), 30, gone.log)
        self.assertIn("the member has been permanently removed from the cluster", gone.log())
        self.assertEqual(gone.process.returncode, 0, gone.log())


@unittest.skipUnless(harness.have("etcdctl"), "etcdctl is not installed")
class Readiness(unittest.TestCase):
    # OPS-18 OPS-19 TRP-65: only when the member's own attributes are committed.
    def test_is_told_when_there_is_a_quorum(self):
        cluster = Cluster(*[harness.HOLDFAST] * 3)
        self.addCleanup(cluster.close)
        first, second, _ = cluster.members
        manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(manager.close)
        path = os.path.join(cluster.folder, "notify")
        manager.bind(path)
        manager.setblocking(False)
        first.prefix = ["env", f"NOTIFY_SOCKET={path}"]
        first.start()
        harness_wait(lambda: first.has_said("became pre-candidate"), 20, first.log, first)
        # Connections wait in the backlog; nobody answers, and nobody is told.
        self.assertNotEqual(first.etcdctl("get", "k", check=False, timeout="500ms").returncode, 0)
        socket.create_connection(("127.0.0.1", first.client_port), timeout=5).close()
        with self.assertRaises(BlockingIOError):
            manager.recv(100)
        manager.settimeout(20)
        second.start()
        self.assertEqual(manager.recv(100), b"READY=1")
        # The third might be of 3.4 and is silent for as long as clients are kept waiting (5 s): either may be over first.
        harness_wait(lambda: first.has_said("published local member to cluster through raft"), 20, first.log, first)
        self.assertTrue(first.has_said("ready to serve client requests"))
        self.assertEqual(first.etcdctl("get", "k").returncode, 0)


def lost_id(cluster, member):
    listed = next(m for m in cluster.members if m is not member and m.running()).json("member", "list")["members"]
    return next(f"{m['ID']:x}" for m in listed if m["name"] == member.name)


if __name__ == "__main__":
    unittest.main()
