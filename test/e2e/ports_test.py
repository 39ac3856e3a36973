"""Ports of a member. What the peer port serves. A port that somebody else has: what the member says, how it ends, and that it
leaves nothing behind that the next start would take for a member. Held as text, and beside etcd 3.7 where HOLDFAST_ETCD_37 names one. F-011 F-012"""
import http.client
import json
import os
import socket
import subprocess
import tempfile
import unittest

import harness

ETCD = os.environ.get("HOLDFAST_ETCD_37", "")


class Taken(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="holdfast-e2e-")
        self.addCleanup(folder.cleanup)
        self.data = os.path.join(folder.name, "data")
        self.taken = self.listen(socket.AF_INET, ("127.0.0.1", 0))
        self.client, self.peer = (f"http://127.0.0.1:{port}" for port in harness.free_ports(2))

    def listen(self, family, address):
        taken = socket.socket(family)
        self.addCleanup(taken.close)
        taken.bind(address)
        taken.listen()
        return "http://" + ("[::1]:%d" if family == socket.AF_INET6 else "127.0.0.1:%d") % taken.getsockname()[1]

    def end_of(self, binary, clients, peer, *flags):
        """The exit code, and what is told that isn't information."""
        done = subprocess.run(
            [binary, "--name", "m", "--data-dir", self.data, "--listen-client-urls", clients, "--advertise-client-urls", self.client,
             "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", f"m={peer}", *flags],
            capture_output=True, text=True, timeout=30)
        lines = [json.loads(line) for line in done.stderr.splitlines()]
        told = [(line["level"], line["msg"], line["error"]) for line in lines if "error" in line]
        return done.returncode, told

    def hold(self, told, *arguments):
        for binary in [harness.HOLDFAST, *([ETCD] if ETCD else [])]:
            with self.subTest(binary):
                self.assertEqual(self.end_of(binary, *arguments), (1, told))
                self.assertFalse(os.path.exists(os.path.join(self.data, "member")))

    def error(self, url):
        return f"listen tcp {url.removeprefix('http://')}: bind: address already in use"

    def test_for_clients(self):
        self.hold([("fatal", "discovery failed", self.error(self.taken))], self.taken, self.peer)

    def test_for_peers(self):
        error = self.error(self.taken)
        self.hold([("error", "creating peer listener failed", error), ("fatal", "discovery failed", error)],
                  self.client, self.taken)

    @unittest.skipUnless(os.path.exists("/proc/net/if_inet6"), "no IPv6")
    def test_by_ipv6(self):
        url = self.listen(socket.AF_INET6, ("::1", 0))
        self.hold([("fatal", "discovery failed", self.error(url))], url, self.peer)

    # Of one's own the other port is given back, and the next start is a first one.
    def test_and_then_free(self):
        server = harness.Server(harness.HOLDFAST)
        self.addCleanup(server.close)
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind(("127.0.0.1", server.client_port))
            other.listen()
            with self.assertRaisesRegex(RuntimeError, "bind: address already in use"):
                server.start()
        server.start()
        self.assertIn('"member-initialized":false', server.log())


class PeerPort(unittest.TestCase):
    def answer(self, server, path):
        connection = http.client.HTTPConnection("127.0.0.1", server.peer_port, timeout=10)
        self.addCleanup(connection.close)
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        return answer

    # PEERH-01, VD-03: what there is, and no gRPC.
    def test_serves_members_only(self):
        statuses = {"/raft": 405, "/raft/": 404, "/raft/probing": 200, "/raft/stream/message/1": 412, "/raft/snapshot": 405,
                    "/raft/x": 404, "/members": 200, "/members/": 404, "/members/x": 404, "/members/hashkv": 400,
                    "/members/promote/1": 405, "/leases": 405, "/leases/internal": 405, "/downgrade/enabled": 200,
                    "/version": 200, "/": 404, "/health": 404, "/metrics": 404, "/v3/kv/range": 404, "/debug/vars": 404,
                    "/v2/members": 404, "/etcdserverpb.KV/Range": 404}
        # Go's ServeMux sends on who asks for an unclean path, or for a folder without its slash.
        ways = {"/raft/stream": "/raft/stream/", "/members/promote": "/members/promote/",
                "/members/promote?a=b": "/members/promote/?a=b", "//version?x": "/version?x", "/raft/../members": "/members"}
        without_cluster = [path for path, status in statuses.items() if status in (404, 405)]
        for binary in [harness.HOLDFAST, *([ETCD] if ETCD else [])]:
            server = harness.Server(binary)
            self.addCleanup(server.close)
            server.start()
            answers = {path: self.answer(server, path) for path in [*statuses, *ways]}
            self.assertEqual({path: answers[path].status for path in statuses}, statuses, binary)
            self.assertEqual({path: (answers[path].status, answers[path].getheader("Location")) for path in ways},
                             {path: (307, target) for path, target in ways.items()}, binary)
            self.assertEqual([path for path in without_cluster if answers[path].getheader("X-Etcd-Cluster-ID")], [], binary)
            self.assertTrue(answers["/members"].getheader("X-Etcd-Cluster-ID"), binary)
            with socket.create_connection(("127.0.0.1", server.peer_port), timeout=10) as s:
                s.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0")
                answer = b""
                while piece := s.recv(4096):
                    answer += piece
            self.assertTrue(answer == b"" or answer.startswith(b"HTTP/1.1 400 "), answer)


if __name__ == "__main__":
    unittest.main()
