"""Members of etcd and of Holdfast in one cluster: Debian's etcd 3.4, and 3.5, 3.6 and 3.7 where HOLDFAST_ETCD_35 and
the like name their binaries. Whoever leads, all say and hold the same. RAFT-03..16 RAL-01 RAL-15 MEM-01..04 MEM-08 VER-01
MNT-07 TRP-40 TRP-41 TRP-44 TRP-45"""
import os
import random
import threading
import unittest

import harness
import rpc
from cluster_harness import Cluster, harness_wait


def etcd_3(minor):
    return os.environ.get(f"HOLDFAST_ETCD_3{minor}", "")


class Mixed:
    """The tests; each subclass says which etcd."""
    etcd = ""
    cluster_version = ""
    has_short_log = True  # --snapshot-catchup-entries

    def start(self, *binaries):
        self.cluster = Cluster(*binaries)
        self.addCleanup(self.cluster.close)
        self.cluster.start()
        return self.cluster.members

    def write_by_all(self, seed):
        """Every kind of write, through members at random."""
        random_ = random.Random(seed)
        keys = [f"key{i}" for i in range(8)]
        for step in range(30):
            member, key = random_.choice(self.cluster.members), random_.choice(keys)
            what = random_.randrange(6)
            if what <= 2:
                member.put(key, f"value{seed}-{step}" * random_.choice((1, 1, 2000)))
            elif what == 3:
                member.etcdctl("del", key, "--prev-kv")
            elif what == 4:
                member.etcdctl("txn", stdin=f'mod("{key}") > "3"\n\nput {key} then{step}\nget {key}\n\ndel {key}\n\n')
            else:
                lease = member.etcdctl("lease", "grant", "600").stdout.split()[1]
                member.etcdctl("put", f"leased{step}", "x", f"--lease={lease}")
                if step % 2:
                    member.etcdctl("lease", "revoke", lease)
        revision = self.cluster.members[0].hash_kv()[1]
        random_.choice(self.cluster.members).etcdctl("compact", str(revision - 10))
        self.cluster.assert_equal_hashes(self)
        everything = [m.json("get", "", "--prefix").get("kvs") for m in self.cluster.members]
        self.assertEqual(everything[0], everything[1])
        self.assertEqual(everything[0], everything[2])

    def make_lead(self, wanted):
        """Leadership to one of `wanted`, by killing whoever else has it."""
        leader = self.cluster.leader()
        while leader not in wanted:
            leader.kill()
            self.cluster.leader([m for m in self.cluster.members if m is not leader])
            leader.start().wait_ready()
            leader = self.cluster.leader()

    def test_leader_on_either_side(self):
        theirs, ours, also_ours = self.start(self.etcd, harness.HOLDFAST, harness.HOLDFAST)
        self.make_lead([theirs])
        self.write_by_all(1)
        self.make_lead([ours, also_ours])
        self.write_by_all(2)
        harness_wait(lambda: all(self.cluster_version in m.version_json() for m in self.cluster.members), 30,
                     lambda: str([m.version_json() for m in self.cluster.members]))
        self.assertEqual(len({m.json("member", "list")["header"]["cluster_id"] for m in self.cluster.members}), 1)

    def test_among_more_of_them(self):
        ours, *theirs = self.start(harness.HOLDFAST, self.etcd, self.etcd)
        # Behind by what the others wrote meanwhile, it catches up from a leader of theirs.
        ours.kill()
        self.cluster.leader(theirs)
        for i in range(50):
            theirs[i % 2].etcdctl("put", f"while-away-{i}", "x")
        ours.start().wait_ready()
        self.assertEqual(ours.get("while-away-49"), "x")
        self.write_by_all(3)
        # And they from it.
        self.make_lead([ours])
        theirs[0].kill()
        for i in range(50):
            ours.etcdctl("put", f"away-{i}", "x")
        theirs[0].start().wait_ready()
        self.assertEqual(theirs[0].get("away-49"), "x")
        self.write_by_all(4)


    # What a client sends to one of ours becomes an entry of theirs; one that they couldn't unmarshal would end them.
    @unittest.skipUnless(rpc.available, "protoc or python3-grpcio is not installed")
    def test_odd_requests_end_nobody(self):
        theirs, *ours = self.start(self.etcd, harness.HOLDFAST, harness.HOLDFAST)
        self.make_lead(ours)
        key = b"\x0a\x01k"
        put = key + b"\x12\x01v"
        operation = lambda request: b"\x12" + bytes([len(request) + 2]) + b"\x12" + bytes([len(request)]) + request
        client = rpc.Client(f"127.0.0.1:{self.cluster.leader().client_port}")
        self.addCleanup(client.close)

        def call(method, request):
            same = lambda b: b
            try:
                client.channel.unary_unary(f"/etcdserverpb.{method}", same, same)(request, timeout=10)
            except rpc.grpc.RpcError as error:
                return error.code().name
            return "OK"
        for odd in (b"\x08\x01", b"\x0b\x0c", b"\x7b\x7c", b"\x78\x01"):  # key as a number, a group, field 15
            for method, request in (("KV/Put", put + odd), ("KV/DeleteRange", key + odd), ("KV/Txn", operation(put + odd)),
                                    ("Lease/LeaseGrant", b"\x08\x64" + b"\x12\x01x")):
                self.assertEqual(call(method, request), "OK", (method, request))
        for odd in (b"\x18" + b"\xff" * 9 + b"\x02", b"\x02\x01k", b"\x7b\x00\x00\x7c"):  # 65 bits, field 0, in a group too
            for method, request in (("KV/Put", put + odd), ("KV/DeleteRange", key + odd), ("KV/Txn", operation(put + odd))):
                self.assertEqual(call(method, request), "INTERNAL", (method, request))
        theirs.put("after", "all")
        self.assertTrue(theirs.running())
        self.cluster.assert_equal_hashes(self)

    # RAFT-17 RAFT-18 RAFT-19 TRP-46
    def test_catch_up_over_a_snapshot(self):
        self.cluster = Cluster(self.etcd, harness.HOLDFAST, harness.HOLDFAST)
        self.addCleanup(self.cluster.close)
        theirs, *ours = self.cluster.members
        short_log = ["--snapshot-count=50", "--snapshot-catchup-entries=10"]
        for member in ours:
            member.flags = short_log
        theirs.flags = short_log if self.has_short_log else ["--snapshot-count=50"]
        self.cluster.start()
        self.make_lead(ours)
        self.miss_and_catch_up(theirs, "ours")
        if self.has_short_log:
            self.make_lead([theirs])
            self.miss_and_catch_up(ours[0], "theirs")
        self.write_by_all(5)

    def miss_and_catch_up(self, member, prefix):
        """The member is away while the log grows by more than its leader keeps."""
        member.kill()
        leader = self.cluster.leader([m for m in self.cluster.members if m is not member])

        def write(number):
            for i in range(60):
                leader.etcdctl("put", f"{prefix}-{number}-{i}", "v" * 1000)
        writers = [threading.Thread(target=write, args=(n,)) for n in range(6)]
        for w in writers:
            w.start()
        for w in writers:
            w.join()
        member.start().wait_ready()
        self.assertEqual(len(member.get(f"{prefix}-5-59")), 1000)
        self.cluster.assert_equal_hashes(self)
        with open(member.log_path, errors="replace") as log:
            self.assertRegex(log.read(), "received and saved database snapshot")
        member.kill()
        member.start().wait_ready()
        self.assertEqual(len(member.get(f"{prefix}-5-59")), 1000)


@unittest.skipUnless(harness.have("etcdctl", "etcd"), "etcd or etcdctl is not installed")
class With34(Mixed, unittest.TestCase):
    etcd = "etcd"
    has_short_log = False
    cluster_version = '"etcdcluster":"3.4.0"'


@unittest.skipUnless(harness.have("etcdctl") and os.access(etcd_3(5), os.X_OK), "HOLDFAST_ETCD_35 names no etcd 3.5")
class With35(Mixed, unittest.TestCase):
    etcd = etcd_3(5)
    has_short_log = False
    cluster_version = '"etcdcluster":"3.5.0"'


@unittest.skipUnless(harness.have("etcdctl") and os.access(etcd_3(6), os.X_OK), "HOLDFAST_ETCD_36 names no etcd 3.6")
class With36(Mixed, unittest.TestCase):
    etcd = etcd_3(6)
    cluster_version = '"etcdcluster":"3.6.0"'


@unittest.skipUnless(harness.have("etcdctl") and os.access(etcd_3(7), os.X_OK), "HOLDFAST_ETCD_37 names no etcd 3.7")
class With37(Mixed, unittest.TestCase):
    etcd = etcd_3(7)
    cluster_version = '"etcdcluster":"3.7.0"'


if __name__ == "__main__":
    unittest.main()
