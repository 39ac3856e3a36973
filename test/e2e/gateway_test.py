"""The JSON gateway beside Debian's etcd 3.4.23, whose gateway is grpc-gateway's first version: paths, messages and the lines
of streams are the same; errors have another form there ({"error", "message", "code"} and no details), and what 3.7 does is
held here as text. GW-01 GW-02 GW-03 GW-05 GW-07 GW-08 GW-10 HTTP-11 HTTP-12"""
import base64
import http.client
import json
import os
import socket
import struct
import threading
import time
import unittest

import harness


def b64(text):
    return base64.b64encode(text.encode()).decode()


# What differs from cluster to cluster.
VOLATILE = {"cluster_id", "member_id", "raft_term", "memberID", "raftIndex", "raftTerm", "raftAppliedIndex",
            "dbSize", "dbSizeInUse", "version", "hash", "storageVersion", "dbSizeQuota", "downgradeInfo",
            "hash_revision", "peerURLs", "clientURLs"}


def stable(value):
    if isinstance(value, dict):
        return {k: stable(v) for k, v in value.items()
                if k not in VOLATILE or (k == "version" and "create_revision" in value)}
    if isinstance(value, list):
        return [stable(v) for v in value]
    return value


class Gateway:
    def __init__(self, server):
        self.port = server.client_port

    def request(self, path, body="{}", method="POST", **fields):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, {k.replace("_", "-"): v for k, v in fields.items()})
            answer = connection.getresponse()
            return answer.status, answer.read().decode(), dict(answer.getheaders())
        finally:
            connection.close()

    def ask(self, path, message):
        """Status and answer; of a stream, the list of its lines."""
        status, body, _ = self.request(path, json.dumps(message))
        return status, [stable(json.loads(line)) for line in body.splitlines()]


class Stream:
    """A request whose body and answer go on at the same time."""

    def __init__(self, gateway, path):
        self.socket = socket.create_connection(("127.0.0.1", gateway.port), timeout=20)
        self.file = self.socket.makefile("rb")
        self.socket.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        self.head = None

    def send(self, message):
        text = json.dumps(message).encode()
        self.socket.sendall(b"%x\r\n%s\r\n" % (len(text), text))

    def finish(self):
        self.socket.sendall(b"0\r\n\r\n")

    def line(self):
        if self.head is None:
            self.head = self.file.readline()
            while self.file.readline() != b"\r\n":
                pass
        out = b""
        while not out.endswith(b"\n"):
            size = int(self.file.readline(), 16)
            out += self.file.read(size)
            self.file.readline()
        return json.loads(out)

    def close(self):
        self.file.close()
        self.socket.close()


class WebSocket:
    """As much of a client as the test needs (RFC 6455)."""

    def __init__(self, gateway, path, **fields):
        self.socket = socket.create_connection(("127.0.0.1", gateway.port), timeout=20)
        self.file = self.socket.makefile("rb")
        more = "".join(f"{k.replace('_', '-')}: {v}\r\n" for k, v in fields.items())
        self.socket.sendall((f"GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                             f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {b64('0123456789abcdef')}\r\n{more}\r\n")
                            .encode())
        self.head = []
        while not self.head or self.head[-1] != b"\r\n":
            self.head.append(self.file.readline())

    def send(self, text, opcode=1):
        payload = text.encode()
        mask = os.urandom(4)
        size = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + struct.pack(">H", len(payload))
        self.socket.sendall(bytes([0x80 | opcode]) + size + mask +
                            bytes(b ^ mask[i & 3] for i, b in enumerate(payload)))

    def receive(self):
        head = self.file.read(2)
        if len(head) < 2:
            return None
        size = head[1]
        if size == 126:
            size = struct.unpack(">H", self.file.read(2))[0]
        elif size == 127:
            size = struct.unpack(">Q", self.file.read(8))[0]
        return head[0] & 15, self.file.read(size)

    def close(self):
        self.file.close()
        self.socket.close()


@unittest.skipUnless(harness.have("etcdctl", "etcd"), "etcd or etcdctl is not installed")
class BesideEtcd(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.servers = [harness.Server(harness.HOLDFAST).start(), harness.Server("etcd").start()]
        for server in cls.servers:
            cls.addClassCleanup(server.close)
        cls.ours, cls.theirs = map(Gateway, cls.servers)

    def both(self, path, message):
        ours, theirs = (g.ask(path, message) for g in (self.ours, self.theirs))
        self.assertEqual(ours, theirs, f"{path} {message}")
        return ours

    def test_kv(self):
        for i in range(5):
            self.both("/v3/kv/put", {"key": b64(f"k{i}"), "value": b64("v" * i), "prev_kv": True})
        self.both("/v3/kv/put", {"key": b64("k1"), "value": b64("\u00e9<>&"), "prevKv": True})
        for request in (
                {"key": b64("k1")}, {"key": b64("k"), "range_end": b64("l"), "limit": "2"},
                {"key": b64("k"), "rangeEnd": b64("l"), "sort_order": "DESCEND", "sort_target": "MOD"},
                {"key": b64("k"), "range_end": b64("l"), "sort_order": 2, "sort_target": 3},
                {"key": b64("k"), "range_end": b64("l"), "count_only": True},
                {"key": b64("none")}, {"key": b64("k1"), "revision": 2, "serializable": True},
                {"key": b64("k1"), "unknown_field": {"a": [1, "]"]}, "limit": None}):
            self.both("/v3/kv/range", request)
        self.both("/v3/kv/txn", {
            "compare": [{"target": "VERSION", "result": "GREATER", "key": b64("k1"), "version": "0"}],
            "success": [{"requestPut": {"key": b64("t"), "value": b64("1")}},
                        {"request_range": {"key": b64("k1")}}, {"requestDeleteRange": {"key": b64("k2")}}],
            "failure": [{"requestRange": {"key": b64("k1")}}]})
        self.both("/v3/kv/deleterange", {"key": b64("k"), "range_end": b64("l"), "prev_kv": True})
        self.both("/v3/kv/compaction", {"revision": "3", "physical": True})
        self.both("/v3/kv/range", {"key": b64("k"), "range_end": b64("l")})

    def test_lease(self):
        self.both("/v3/lease/grant", {"TTL": "100", "ID": "7"})
        self.both("/v3/lease/grant", {"TTL": 1, "ID": 8})
        self.both("/v3/kv/put", {"key": b64("leased"), "value": b64("x"), "lease": "7"})
        self.both("/v3/lease/keepalive", {"ID": "7"})
        self.both("/v3/lease/keepalive", {"ID": "77"})
        for path in ("/v3/lease/timetolive", "/v3/kv/lease/timetolive"):
            for gateway in (self.ours, self.theirs):
                status, (answer,) = gateway.ask(path, {"ID": "7", "keys": True})
                self.assertIn(int(answer.pop("TTL")), range(90, 101))
                self.assertEqual((status, answer["grantedTTL"], answer["keys"]), (200, "100", [b64("leased")]))
        self.both("/v3/lease/timetolive", {"ID": "78"})
        self.both("/v3/kv/lease/revoke", {"ID": "8"})
        self.both("/v3/lease/leases", {})
        self.both("/v3/lease/revoke", {"ID": "7"})

    def test_maintenance_and_cluster(self):
        self.assertEqual(self.ours.ask("/v3/maintenance/alarm", {"action": "GET"})[0], 200)  # 3.4: without a header
        self.both("/v3/maintenance/defragment", {})
        for path in ("/v3/maintenance/status", "/v3/cluster/member/list"):
            self.assertEqual(self.ours.ask(path, {})[0], 200)

    def test_lock_and_election(self):
        self.both("/v3/lease/grant", {"TTL": "100", "ID": "20"})
        self.both("/v3/lock/lock", {"name": b64("m"), "lease": "20"})
        self.both("/v3/lock/lock", {"name": b64("m"), "lease": "20"})  # again by who has it
        self.both("/v3/lock/unlock", {"key": b64("m/14")})
        _, (won,) = self.both("/v3/election/campaign", {"name": b64("e"), "lease": "20", "value": b64("1")})
        self.both("/v3/election/proclaim", {"leader": won["leader"], "value": b64("2")})
        self.both("/v3/election/leader", {"name": b64("e")})
        self.both("/v3/election/resign", {"leader": won["leader"]})
        for gateway in (self.ours, self.theirs):
            for path, message, text in (
                    ("/v3/election/leader", {"name": b64("e")}, "election: no leader"),
                    ("/v3/election/proclaim", {"leader": won["leader"]}, "election: not leader"),
                    ("/v3/election/resign", {}, '"leader" field must be provided')):
                status, (answer,) = gateway.ask(path, message)
                self.assertEqual((status, answer["message"], answer["code"]), (500, text, 2))

    # LCK-01: the second waits until the first is gone; ELC-01, ELC-04.
    def test_waiting_for_a_lock_and_for_leadership(self):
        for gateway in (self.ours, self.theirs):
            for lease in ("50", "51"):
                gateway.ask("/v3/lease/grant", {"TTL": "100", "ID": lease})
            _, (first,) = gateway.ask("/v3/lock/lock", {"name": b64("q"), "lease": "50"})
            answers = []
            waiting = threading.Thread(target=lambda: answers.append(  # pylint: disable=cell-var-from-loop
                gateway.ask("/v3/lock/lock", {"name": b64("q"), "lease": "51"})))
            waiting.start()
            self.until(lambda: len(gateway.ask("/v3/kv/range", {"key": b64("q/"), "range_end": b64("q0")})[1][0]["kvs"]) == 2)
            self.assertEqual(answers, [])
            gateway.ask("/v3/lock/unlock", {"key": first["key"]})
            waiting.join(20)
            self.assertEqual([(s, a["key"]) for s, (a,) in answers], [(200, b64("q/33"))])

            observer = Stream(gateway, "/v3/election/observe")
            self.addCleanup(observer.close)
            observer.send({"name": b64("o")})
            observer.finish()
            _, (won,) = gateway.ask("/v3/election/campaign", {"name": b64("o"), "lease": "50", "value": b64("a")})
            self.assertEqual(observer.line()["result"]["kv"]["value"], b64("a"))
            gateway.ask("/v3/election/proclaim", {"leader": won["leader"], "value": b64("b")})
            self.assertEqual(observer.line()["result"]["kv"]["value"], b64("b"))
            standing = threading.Thread(target=lambda: answers.append(  # pylint: disable=cell-var-from-loop
                gateway.ask("/v3/election/campaign", {"name": b64("o"), "lease": "51", "value": b64("c")})))
            standing.start()
            self.until(lambda: len(gateway.ask("/v3/kv/range", {"key": b64("o/"), "range_end": b64("o0")})[1][0]["kvs"]) == 2)
            gateway.ask("/v3/lease/revoke", {"ID": "50"})
            standing.join(20)
            self.assertEqual(answers[-1][1][0]["leader"]["key"], b64("o/33"))
            self.assertEqual(observer.line()["result"]["kv"]["value"], b64("c"))

    def until(self, condition):
        for _ in range(400):
            if condition():
                return
            time.sleep(0.05)
        self.fail("what was waited for did not come")

    def test_errors(self):
        for path, message, http_status, code, text in (
                ("/v3/kv/range", {}, 400, 3, "etcdserver: key is not provided"),
                ("/v3/lease/revoke", {"ID": 99}, 404, 5, "etcdserver: requested lease not found"),
                ("/v3/kv/range", {"key": b64("a"), "revision": 1000000}, 400, 11,
                 "etcdserver: mvcc: required revision is a future revision"),
                ("/v3/lease/grant", {"TTL": "99999999999"}, 400, 11, "etcdserver: too large lease TTL")):
            for gateway in (self.ours, self.theirs):
                status, (answer,) = gateway.ask(path, message)
                self.assertEqual((status, answer["code"], answer["message"]), (http_status, code, text))
        # grpc-gateway's second version, which 3.4 doesn't have.
        self.assertEqual(self.ours.request("/v3/kv/range", "{}")[1],
                         '{"code":3,"message":"etcdserver: key is not provided"}')
        self.assertEqual(self.ours.request("/v3/kv/put", "x")[:2],
                         (400, '{"code":3,"message":"invalid character \'x\' looking for beginning of value"}'))
        self.assertEqual(self.ours.request("/v3/none")[:2], (404, '{"code":5,"message":"Not Found"}'))
        self.assertEqual(self.ours.request("/v3/kv/put", method="GET")[:2],
                         (501, '{"code":12,"message":"Method Not Allowed"}'))

    def test_fields_of_an_answer(self):
        for gateway in (self.ours, self.theirs):
            _, _, fields = gateway.request("/v3/kv/range", json.dumps({"key": b64("a")}))
            self.assertEqual(fields["Content-Type"], "application/json")
            self.assertEqual(fields["Grpc-Metadata-Content-Type"], "application/grpc")
            self.assertEqual(fields["Access-Control-Allow-Origin"], "*")
            self.assertEqual(gateway.request("/v3/kv/range", method="OPTIONS")[:2], (200, ""))

    # Go's HTTP/1.1 server answers when the request has ended; here an answer comes before.
    def test_answers_and_requests_at_the_same_time(self):
        self.ours.ask("/v3/lease/grant", {"TTL": "50", "ID": "31"})
        stream = Stream(self.ours, "/v3/lease/keepalive")
        self.addCleanup(stream.close)
        for _ in range(3):
            stream.send({"ID": "31"})
            self.assertEqual(stream.line()["result"]["TTL"], "50")
        self.assertIn(b" 200 ", stream.head)
        self.ours.ask("/v3/lease/revoke", {"ID": "31"})

    def watch(self, gateway, socket_or_stream, send, receive):
        send({"create_request": {"key": b64("watched"), "prev_kv": True}})
        if isinstance(socket_or_stream, Stream):
            socket_or_stream.finish()
        created = receive()
        seen = [stable(created)]
        gateway.ask("/v3/kv/put", {"key": b64("watched"), "value": b64("1")})
        seen.append(stable(receive()))
        gateway.ask("/v3/kv/deleterange", {"key": b64("watched")})
        seen.append(stable(receive()))
        return json.loads(json.dumps(seen).replace('"revision"', '"_"'))

    def without_revisions(self, value):
        if isinstance(value, dict):
            return {k: self.without_revisions(v) for k, v in value.items() if not k.endswith("revision") and k != "_"}
        if isinstance(value, list):
            return [self.without_revisions(v) for v in value]
        return value

    def test_watch(self):
        for_http, for_socket = [], []
        for gateway in (self.ours, self.theirs):
            stream = Stream(gateway, "/v3/watch")
            self.addCleanup(stream.close)
            for_http.append(self.without_revisions(self.watch(gateway, stream, stream.send, stream.line)))
            ws = WebSocket(gateway, "/v3/watch")
            self.addCleanup(ws.close)
            for_socket.append(self.without_revisions(self.watch(
                gateway, ws, lambda m, ws=ws: ws.send(json.dumps(m)), lambda ws=ws: json.loads(ws.receive()[1]))))
        self.assertEqual(for_http[0], for_http[1])
        self.assertEqual(for_socket[0], for_socket[1])

    def test_websocket(self):
        for gateway in (self.ours, self.theirs):
            gateway.ask("/v3/lease/grant", {"TTL": "50", "ID": "41"})
            ws = WebSocket(gateway, "/v3/lease/keepalive", Sec_WebSocket_Protocol="Bearer, token")
            self.addCleanup(ws.close)
            self.assertTrue(ws.head[0].startswith(b"HTTP/1.1 101"), ws.head)
            self.assertTrue(any(line.lower() == b"sec-websocket-protocol: bearer\r\n" for line in ws.head), ws.head)
            for _ in range(2):
                ws.send(json.dumps({"ID": "41"}))
                opcode, payload = ws.receive()
                self.assertEqual((opcode, json.loads(payload)["result"]["TTL"]), (1, "50"))
            ws.send("hello", opcode=9)
            self.assertEqual(ws.receive(), (10, b"hello"))


class Access(unittest.TestCase):
    def test_without_gateway(self):
        server = harness.Server(harness.HOLDFAST, "--enable-grpc-gateway=false").start()
        self.addCleanup(server.close)
        self.assertEqual(Gateway(server).request("/v3/kv/range")[:2], (404, "404 page not found\n"))

    def test_hosts_and_origins(self):
        server = harness.Server(harness.HOLDFAST, "--host-whitelist=good.example", "--cors=http://a.example:80").start()
        self.addCleanup(server.close)
        gateway = Gateway(server)
        status, body, _ = gateway.request("/v3/kv/range", Host="bad.example:1")
        self.assertEqual(status, 421)
        self.assertIn("--host-whitelist \"bad.example\"", body)
        status, _, fields = gateway.request("/v3/kv/range", Host="good.example", Origin="http://a.example:80")
        self.assertEqual((status, fields["Access-Control-Allow-Origin"]), (400, "http://a.example:80"))
        _, _, fields = gateway.request("/v3/kv/range", Host="good.example", Origin="http://b.example")
        self.assertNotIn("Access-Control-Allow-Origin", fields)


if __name__ == "__main__":
    unittest.main()
