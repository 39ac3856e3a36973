"""The same random requests to holdfast and to Debian's etcd: every answer, every error and the hash must be equal. KV-02
KV-04 KV-05 KV-08 KV-10 KV-11 KV-12 KV-20 KV-21 KV-22 KV-23 KV-24 KV-26 KV-27 KV-29 TXN-01 TXN-03 TXN-05 TXN-06 TXN-08 TXN-09
TXN-10 TXN-12 MNT-07 ERR-01 ERR-02 ERR-05 ERR-06 ERR-09 ERR-10 ERR-12 ERR-13"""
import random
import unittest

import harness
import rpc

KEYS = [f"k{i}".encode() for i in range(9)]
OPEN_END = b"\0"


class Requests:
    """Random requests over few keys, so that they meet. What etcd 3.4 is known to do otherwise is left out: keys_only tells
    no leases since 3.7, and a put that keeps the value of a key deleted in the same txn made 3.4 panic."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.revision, self.compacted = 1, 1
        self.puts = []  # revisions that put something

    def some(self, chance):
        return self.random.random() < chance

    def key(self):
        return self.random.choice(KEYS)

    def end(self):
        return self.random.choice([b"", b"", b"", self.key(), OPEN_END])

    def near(self):
        return self.random.randint(max(self.compacted - 2, 0), self.revision + 1)

    def put(self, keep=True):
        request = rpc.pb.PutRequest(key=self.key(), prev_kv=self.some(.5))
        if keep and self.some(.15):
            request.ignore_value = True
        else:
            request.value = f"v{self.random.randrange(20)}".encode()
        if keep and self.some(.15):
            request.ignore_lease = True
        elif self.some(.3):
            request.lease = self.random.randint(1, 4)
        return request

    def delete(self):
        return rpc.pb.DeleteRangeRequest(key=self.key(), range_end=self.end(), prev_kv=self.some(.5))

    def range(self):
        request = rpc.pb.RangeRequest(key=self.key(), range_end=self.random.choice([OPEN_END, self.end()]),
                                      serializable=self.some(.2), count_only=self.some(.1))
        if self.some(.3):
            request.revision = self.near()
        if self.some(.3):
            request.limit = self.random.randint(-1, 4)
        if self.some(.4):
            request.sort_order = self.random.randint(0, 2)
        if self.some(.4):
            request.sort_target = self.random.randint(0, 4)
        for field in ("min_mod_revision", "max_mod_revision", "min_create_revision", "max_create_revision"):
            if self.some(.15):
                setattr(request, field, self.near())
        return request

    def compare(self):
        request = rpc.pb.Compare(key=self.key(), range_end=self.end(), result=self.random.randint(0, 3),
                                 target=self.random.randint(0, 4))
        number = self.random.choice([0, 1, 2, self.near()])
        fields = ["version", "create_revision", "mod_revision", "value", "lease"]
        field = fields[request.target] if self.some(.95) else self.random.choice(fields)
        setattr(request, field, f"v{self.random.randrange(20)}".encode() if field == "value" else number)
        return request

    def txn(self, depth=2):
        request = rpc.pb.TxnRequest(compare=[self.compare() for _ in range(self.random.randint(0, 2))])
        for branch in (request.success, request.failure):
            for _ in range(self.random.randint(0, 4)):
                operation = branch.add()
                what = self.random.randrange(10)
                if what < 4:
                    operation.request_put.CopyFrom(self.put(keep=False))
                elif what < 6:
                    operation.request_delete_range.CopyFrom(self.delete())
                elif what < 8 or depth == 0:
                    operation.request_range.CopyFrom(self.range())
                else:
                    operation.request_txn.CopyFrom(self.txn(depth - 1))
        return request

    def next(self):
        what = self.random.randrange(100)
        if what < 35:
            return "Put", self.put()
        if what < 45:
            return "DeleteRange", self.delete()
        if what < 60:
            return "Range", self.range()
        if what < 90:
            return "Txn", self.txn()
        if what < 95:
            return "LeaseGrant", rpc.pb.LeaseGrantRequest(ID=self.random.randint(1, 4), TTL=10000)
        if what < 97:
            return "LeaseRevoke", rpc.pb.LeaseRevokeRequest(ID=self.random.randint(1, 4))
        # Not at a deletion: which tombstones a compaction leaves has changed since 3.4.
        at = self.random.choice([r for r in self.puts if r > self.compacted] or [self.revision + 1])
        return "Compact", rpc.pb.CompactionRequest(revision=at, physical=True)


@unittest.skipUnless(rpc.available and harness.have("etcd", "etcdctl"), "etcd, protoc or python3-grpcio is not installed")
class BesideEtcd(unittest.TestCase):
    def setUp(self):
        self.clients = []
        for binary in (harness.HOLDFAST, "etcd"):
            server = harness.Server(binary)
            self.addCleanup(server.close)
            server.start()
            client = rpc.Client(server.url[7:])
            self.addCleanup(client.close)
            self.clients.append(client)

    def both(self, method, request):
        ours, theirs = (client.answer(method, request) for client in self.clients)
        self.assertEqual(ours, theirs, f"{method} {request}")
        return ours

    def test_random_requests(self):
        requests = Requests(20261125)
        for step in range(500):
            method, request = requests.next()
            answer = self.both(method, request)
            revision = self.clients[0].Range(key=b"k", count_only=True).header.revision
            if method == "Put" and revision > requests.revision:
                requests.puts.append(revision)
            if method == "Compact" and "StatusCode" not in answer:
                requests.compacted = request.revision
            requests.revision = revision
            if step % 100 == 99:
                self.both("Range", rpc.pb.RangeRequest(key=OPEN_END, range_end=OPEN_END))
                hashes = [c.HashKV() for c in self.clients]
                self.assertEqual(*[(h.hash, h.compact_revision) for h in hashes])  # 3.4 knows no hash_revision
        self.assertGreater(requests.compacted, 1)

    # What is wrong with requests, one by one.
    def test_refusals(self):
        pb = rpc.pb
        put = pb.RequestOp(request_put=pb.PutRequest(key=b"a"))
        get = pb.RequestOp(request_range=pb.RangeRequest(key=b"a"))

        def delete(key, end=b""):
            return pb.RequestOp(request_delete_range=pb.DeleteRangeRequest(key=key, range_end=end))

        def nested(**branches):
            return pb.RequestOp(request_txn=pb.TxnRequest(**branches))

        for method, request in (
                ("Put", pb.PutRequest()), ("Range", pb.RangeRequest()), ("DeleteRange", pb.DeleteRangeRequest()),
                ("Put", pb.PutRequest(key=b"a", value=b"v", ignore_value=True)),
                ("Put", pb.PutRequest(key=b"a", lease=1, ignore_lease=True)),
                ("Put", pb.PutRequest(key=b"none", ignore_lease=True)), ("Put", pb.PutRequest(key=b"a", lease=99)),
                ("Range", pb.RangeRequest(key=b"a", revision=99)), ("Compact", pb.CompactionRequest(revision=99)),
                ("LeaseRevoke", pb.LeaseRevokeRequest(ID=99)),
                ("LeaseGrant", pb.LeaseGrantRequest(ID=7, TTL=9000000001)),
                ("Txn", pb.TxnRequest(success=[get] * 129)), ("Txn", pb.TxnRequest(success=[get] * 128)),
                ("Txn", pb.TxnRequest(compare=[pb.Compare()])), ("Txn", pb.TxnRequest(success=[pb.RequestOp()])),
                ("Txn", pb.TxnRequest(success=[put, put])), ("Txn", pb.TxnRequest(success=[put, delete(b"a")])),
                ("Txn", pb.TxnRequest(success=[put, delete(b"A", b"b")])),
                ("Txn", pb.TxnRequest(success=[put, delete(b"A", b"\0")])),
                ("Txn", pb.TxnRequest(success=[put, delete(b"a", b"\0")])),
                ("Txn", pb.TxnRequest(success=[put], failure=[put])),
                ("Txn", pb.TxnRequest(success=[nested(success=[put], failure=[put])])),
                ("Txn", pb.TxnRequest(success=[nested(success=[put]), put])),
                ("Txn", pb.TxnRequest(success=[nested(success=[delete(b"a")]), put])),
                ("Txn", pb.TxnRequest(success=[nested(success=[get] * 127), get])),
                ("Txn", pb.TxnRequest(success=[nested(success=[get] * 128), get])),
                ("Txn", pb.TxnRequest()), ("Compact", pb.CompactionRequest())):
            self.both(method, request)


if __name__ == "__main__":
    unittest.main()
