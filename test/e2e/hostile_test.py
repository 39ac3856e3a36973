"""Clients that mean harm, against the real server: each is sent away or waits, memory stays bounded, others are served.
GEN-02 GEN-03 HTTP-03 TRP-39"""
import http.client
import os
import socket
import struct
import unittest
import urllib.request

import harness

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, CONTINUATION = 0, 1, 3, 4, 6, 9
END_STREAM, END_HEADERS = 1, 4


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def text(value):
    return bytes([len(value)]) + value if len(value) < 127 else b"\x7f" + varint(len(value) - 127) + value


def varint(value):
    out = b""
    while value >= 128:
        out += bytes([value % 128 + 128])
        value //= 128
    return out + bytes([value])


def literal(name, value):
    return b"\0" + text(name) + text(value)


def request(path=b"/etcdserverpb.KV/Put"):
    return (b"\x83\x86" + b"\x04" + text(path) + literal(b":authority", b"a") +
            literal(b"content-type", b"application/grpc") + literal(b"te", b"trailers"))


class Hostile(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = harness.Server(harness.HOLDFAST).start()
        cls.server.etcdctl("put", "k", "v")

    @classmethod
    def tearDownClass(cls):
        cls.server.close()

    def setUp(self):
        self.before = self.memory()

    def tearDown(self):
        self.served()
        self.assertLess(self.memory() - self.before, 64 << 20)
        self.assertIsNone(self.server.process.poll())

    def memory(self):
        with open(f"/proc/{self.server.process.pid}/status") as f:
            return next(int(line.split()[1]) << 10 for line in f if line.startswith("VmRSS"))

    def served(self):
        self.assertEqual(self.server.etcdctl("get", "k", "--print-value-only").stdout, "v\n")

    def connect(self, *first, port=None):
        s = socket.create_connection(("127.0.0.1", port or self.server.client_port), timeout=20)
        self.addCleanup(s.close)
        if first:
            s.sendall(b"".join(first))
        return s

    def http2(self, *frames):
        return self.connect(PREFACE, frame(SETTINGS, 0, 0), *frames)

    def send(self, s, data):
        """False if the server closed the connection."""
        try:
            s.sendall(data)
            return True
        except OSError:
            return False

    def rest(self, s):
        """All that the server still says until it closes."""
        said = b""
        try:
            while part := s.recv(65536):
                said += part
        except ConnectionError:
            pass
        return said

    def frames(self, said):
        while len(said) >= 9:
            size = int.from_bytes(said[:3], "big")
            yield said[3], said[9:9 + size]
            said = said[9 + size:]

    # Small frames that unpack to gigabytes of headers.
    def test_hpack_bomb(self):
        big = b"\x40" + text(b"x") + text(b"v" * 4000)  # goes into the table as number 62
        s = self.http2(frame(HEADERS, 0, 1, request() + big))
        for _ in range(200):
            if not self.send(s, frame(CONTINUATION, 0, 1, b"\xbe" * 16000)):
                break
        self.rest(s)

    def test_endless_continuation(self):
        s = self.http2(frame(HEADERS, 0, 1, request()))
        sent = 0
        while sent < 64 << 20 and self.send(s, frame(CONTINUATION, 0, 1, literal(b"x", b"y" * 100) * 100) * 10):
            sent += 100_000
        self.assertLess(sent, 64 << 20)

    def test_rapid_reset(self):
        s = self.http2()
        for first in range(1, 200_001, 200):
            burst = b"".join(frame(HEADERS, END_HEADERS, i, request()) + frame(RST_STREAM, 0, i, b"\0\0\0\x08")
                             for i in range(first, first + 200, 2))
            if not self.send(s, burst):
                break
        s.close()

    def test_ping_and_settings_flood(self):
        s = self.http2()
        for _ in range(500):
            if not self.send(s, frame(PING, 0, 0, b"12345678") * 100 + frame(SETTINGS, 0, 0) * 100):
                break
        s.close()

    # A message that says it is 4 GiB long.
    def test_message_of_4_gib(self):
        s = self.http2(frame(HEADERS, END_HEADERS, 1, request()),
                       frame(DATA, 0, 1, b"\0\xff\xff\xff\xff" + b"x" * 1000))
        s.settimeout(20)
        said = b""
        while b"grpc-status" not in said and not any(kind == HEADERS for kind, _ in self.frames(said)):
            said += s.recv(65536)
        # grpc-status 8, RESOURCE_EXHAUSTED, whatever way it is packed.
        self.assertTrue(any(kind == HEADERS for kind, _ in self.frames(said)))

    def test_open_messages_that_never_end(self):
        sockets = []
        for _ in range(20):
            s = self.http2()
            for stream in range(1, 41, 2):
                self.send(s, frame(HEADERS, END_HEADERS, stream, request()) +
                          frame(DATA, 0, stream, b"\0\0\x10\0\0" + b"x" * 3000))
            sockets.append(s)
        self.served()

    def test_slow_loris(self):
        sockets = [self.connect(PREFACE[:i % 24]) for i in range(60)]
        sockets += [self.connect(b"GET /health HTTP/1.1\r\nHost: a\r\n") for _ in range(60)]
        sockets += [self.http2(frame(HEADERS, 0, 1, request())) for _ in range(60)]
        for s in sockets:
            self.send(s, b"x")
        self.served()

    def test_noise(self):
        for seed in range(40):
            noise = bytes((seed * 7919 + i * i * 31 + (i >> 3) * seed) & 255 for i in range(4000))
            for first in (b"", PREFACE, PREFACE + frame(SETTINGS, 0, 0), b"\x16\x03\x01\x02\0"):
                s = self.connect()
                self.send(s, first + noise)
                s.close()

    # Each is closed, with a GOAWAY or without.
    def test_malformed_frames(self):
        for bad in (frame(DATA, 0, 0, b"x"), frame(HEADERS, END_HEADERS, 2, request()), frame(CONTINUATION, 0, 1),
                    frame(SETTINGS, 0, 0, b"12345"), frame(PING, 0, 0, b"1"), frame(SETTINGS, 0, 7),
                    frame(HEADERS, END_HEADERS, 1, b"\xff\xff\xff\xff\xff\xff"), frame(RST_STREAM, 0, 99, b"\0\0\0\0"),
                    b"\xff\xff\xff" + bytes([DATA, 0]) + b"\0\0\0\x01"):
            s = self.http2(bad)
            s.settimeout(20)
            self.rest(s)

    def test_huge_http1_header(self):
        s = self.connect(b"GET /health HTTP/1.1\r\nHost: a\r\n")
        sent = 0
        while sent < 64 << 20 and self.send(s, b"x-y: " + b"z" * 100_000 + b"\r\n"):
            sent += 100_000
        self.assertLess(sent, 64 << 20)

    def test_huge_http1_body(self):
        s = self.connect(b"POST /v3/kv/put HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n")
        sent = 0
        while sent < 256 << 20 and self.send(s, b"z" * 1_000_000):
            sent += 1_000_000
        self.assertLess(sent, 256 << 20)

    # The peer port takes snapshots of any size, but from members alone, and has no use for other long bodies.
    def test_huge_bodies_to_the_peer_port(self):
        for target in (b"/raft", b"/raft/snapshot", b"/leases", b"/leases/internal", b"/members/promote/1", b"/x"):
            s = self.connect(b"POST " + target + b" HTTP/1.1\r\nHost: a\r\nContent-Length: 500000000\r\n\r\n",
                             port=self.server.peer_port)
            sent = 0
            while sent < 128 << 20 and self.send(s, b"z" * 1_000_000):
                sent += 1_000_000
            s.close()
            self.assertLess(self.memory() - self.before, 64 << 20, target)

    # Who invents a name for each message leaves no trace of each.
    def test_messages_from_many_strangers(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.server.peer_port}/members", timeout=20) as answer:
            cluster = answer.headers["X-Etcd-Cluster-ID"]
        connection = http.client.HTTPConnection("127.0.0.1", self.server.peer_port, timeout=20)
        self.addCleanup(connection.close)
        for sender in range(1000, 1300):
            connection.request("POST", "/raft", b"\x08\x08\x10\x01\x18" + varint(sender),
                               {"X-Server-Version": "3.7.1", "X-Etcd-Cluster-ID": cluster})
            answer = connection.getresponse()
            self.assertEqual((answer.status, answer.read()[:40]), (403, b'{"message":"cannot process message to mi'))
        with urllib.request.urlopen(self.server.url + "/metrics", timeout=20) as answer:
            series = [line for line in answer.read().decode().splitlines() if line.startswith("etcd_network_peer_received")]
        self.assertEqual(len(series), 1, series)
        self.assertIn('{From="unknown"}', series[0])

    # TLS-10: a peer says something within --raft-read-timeout or goes; clients may be silent, if they live.
    def test_silent_connections(self):
        client, peer = self.connect(), self.connect(port=self.server.peer_port)
        self.assertEqual(peer.recv(1), b"")
        self.assertGreater(self.keepalive(client), 0)
        self.assertLessEqual(self.keepalive(client), 30)
        with self.assertRaises(BlockingIOError):
            client.setblocking(False)
            client.recv(1)

    def keepalive(self, s):
        """Seconds to the next question whether the other end lives, which the server's end of the connection asks."""
        with open("/proc/net/tcp") as f:
            for fields in map(str.split, f):
                if fields[2].endswith(f":{s.getsockname()[1]:04X}") and fields[5].startswith("02:"):
                    return int(fields[5][3:], 16) / os.sysconf("SC_CLK_TCK")
        return None

    # TLS-10, F-025
    def test_a_port_is_shared_if_both_want_it(self):
        for flags in ((), ("--socket-reuse-port",)):
            server = harness.Server(harness.HOLDFAST, *flags)
            self.addCleanup(server.close)
            with socket.socket() as other:
                other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                other.bind(("127.0.0.1", server.peer_port))
                other.listen()
                if flags:
                    server.start()
                else:
                    with self.assertRaisesRegex(RuntimeError, "address already in use"):
                        server.start()


@unittest.skipUnless(harness.have("etcdctl"), "etcdctl is not installed")
class Oversized(unittest.TestCase):
    # GEN-02, PUT-06, ERR-25: two limits with two errors.
    def test_requests_above_the_limits(self):
        server = harness.Server(harness.HOLDFAST, "--max-request-bytes", "100000").start()
        self.addCleanup(server.close)
        server.etcdctl("put", "k", stdin="x" * 99_000)
        above = server.etcdctl("put", "k", stdin="x" * 100_001, check=False)
        self.assertIn("etcdserver: request is too large", above.stderr)
        far_above = server.etcdctl("put", "k", stdin="x" * 700_000, check=False)
        self.assertIn("received message larger than max", far_above.stderr)
        self.assertEqual(len(server.etcdctl("get", "k", "--print-value-only").stdout), 99_001)
        self.assertEqual(os.path.exists(f"/proc/{server.process.pid}"), True)


if __name__ == "__main__":
    unittest.main()
