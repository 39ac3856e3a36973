"""A data directory of Debian's etcd becomes holdfast's: same keys at all revisions, same leases, members and ids; what
can't be taken over is refused and left as it was; and snapshots of ours are etcd's to read and to restore from
(TRP-58, DIR-06, SNP-05, MNT-08, UTL-03, UTL-04)."""
import json
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(__file__))
import harness
from cluster_harness import Cluster
from harness import HOLDFAST, Server

UTL = os.path.join(os.path.dirname(HOLDFAST), "holdfastutl")
ETCD = os.environ.get("ETCD_BIN", "/usr/bin/etcd")


def restore_tool():
    """etcdutl of that etcd; before 3.5 etcdctl did its work."""
    beside = os.path.join(os.path.dirname(ETCD), "etcdutl")
    return beside if os.path.exists(beside) else "etcdctl"


def files_under(folder):
    found = {}
    for root, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(root, name)
            with open(path, "rb") as f:
                found[os.path.relpath(path, folder)] = f.read()
    return found


def wait_for_end(server):
    """Starts a server that shall refuse to start; its log."""
    try:
        server.start()
    except RuntimeError as error:
        return str(error)
    raise AssertionError("it started")


@unittest.skipUnless(harness.version_of(ETCD) and harness.have("etcdctl"), "etcd or etcdctl is missing")
class TakeOver(unittest.TestCase):
    def member(self, *flags):
        """An etcd, and what turns it into holdfast on the same ports and the same directory."""
        server = Server(ETCD, *flags)
        self.addCleanup(server.close)
        return server.start()

    def fill(self, etcd):
        for i in range(120):
            etcd.etcdctl("put", f"key{i % 40}", f"value {i}" * (1 + i % 50))
        etcd.etcdctl("put", "large", stdin="x" * 700_000)
        etcd.etcdctl("del", "key7")
        etcd.etcdctl("del", "key3", "key6")
        lease = etcd.etcdctl("lease", "grant", "5000").stdout.split()[1]
        etcd.etcdctl("put", "--lease", lease, "leased", "value")
        etcd.etcdctl("compact", "60")
        etcd.etcdctl("put", "last", "one")
        return lease

    def state(self, server, old_revision=80):
        return {
            "pairs": server.everything(),
            "old": server.json("get", "", "--prefix", "--rev", str(old_revision)).get("kvs", []),
            "hash": [e["HashKV"]["hash"] for e in server.json("endpoint", "hashkv")],
            "members": [(m["ID"], m["peerURLs"]) for m in server.json("member", "list")["members"]],
            "cluster": server.json("endpoint", "status")[0]["Status"]["header"]["cluster_id"],
        }

    def take_over(self, server):
        server.binary = HOLDFAST
        server.start()

    def compare(self, before, after):
        self.assertEqual(before, after)

    def kept(self, server):
        folder = os.path.join(server.folder, "data", "member", "snap")
        self.assertFalse(os.path.exists(os.path.join(folder, "db")))
        return [name for name in os.listdir(folder) if name.startswith("db.etcd-")]

    # BKT-08: etcd keeps no list of free pages in its file.
    def test_after_a_clean_stop(self):
        etcd = self.member()
        self.fill(etcd)
        before = self.state(etcd)
        etcd.process.terminate()
        etcd.process.wait(20)
        self.take_over(etcd)
        self.compare(before, self.state(etcd))
        self.assertEqual(len(self.kept(etcd)), 1)
        etcd.etcdctl("put", "after", "the change")
        revision = etcd.json("get", "after")["header"]["revision"]
        # And it starts again, as holdfast, without the old file.
        etcd.kill()
        etcd.start()
        self.assertEqual(etcd.json("get", "after")["header"]["revision"], revision)
        self.assertEqual(etcd.json("get", "after")["kvs"][0]["mod_revision"], revision)

    def test_after_kill_and_snapshots(self):
        etcd = self.member("--snapshot-count", "20")
        self.fill(etcd)
        before = self.state(etcd)
        etcd.kill()
        self.take_over(etcd)
        self.compare(before, self.state(etcd))
        self.assertEqual(len(self.kept(etcd)), 1)

    def test_after_kill_with_everything_in_the_log(self):
        # Nothing is committed to the database but what etcd commits at once.
        etcd = self.member("--backend-batch-interval", "1h", "--backend-batch-limit", "100000")
        for i in range(50):
            etcd.etcdctl("put", f"key{i}", f"value {i}")
        before = self.state(etcd, 20)
        etcd.kill()
        self.take_over(etcd)
        self.compare(before, self.state(etcd, 20))

    def test_refused_while_etcd_runs(self):
        etcd = self.member()
        etcd.etcdctl("put", "a", "b")
        other = Server(HOLDFAST)
        self.addCleanup(other.close)
        os.symlink(os.path.join(etcd.folder, "data"), os.path.join(other.folder, "data"))
        self.assertIn("is in use by another process", wait_for_end(other))
        self.assertEqual(etcd.pairs(), {"a": "b"})

    def test_refused_is_untouched(self):
        etcd = self.member()
        etcd.etcdctl("put", "a", "b")
        etcd.etcdctl("user", "add", "root:secret")
        etcd.etcdctl("auth", "enable")
        etcd.process.terminate()
        etcd.process.wait(20)
        data = os.path.join(etcd.folder, "data")
        before = files_under(data)
        etcd.binary = HOLDFAST
        self.assertIn("authentication is enabled there", wait_for_end(etcd))
        self.assertEqual(before, files_under(data))

    @unittest.skipIf(harness.version_of(ETCD) >= (3, 6), "etcd has no v2 API any more")
    def test_refused_for_keys_of_the_v2_api(self):
        etcd = self.member("--enable-v2", "--snapshot-count", "10")
        for i in range(15):
            subprocess.run(["etcdctl", "--endpoints", etcd.url, "set", f"/key{i}", "value"], check=True,
                           capture_output=True, env={**os.environ, "ETCDCTL_API": "2"})
        etcd.kill()
        data = os.path.join(etcd.folder, "data")
        before = files_under(data)
        etcd.binary, etcd.flags = HOLDFAST, []
        self.assertIn("holds keys of etcd's v2 API", wait_for_end(etcd))
        self.assertEqual(before, files_under(data))

    def test_damaged_database(self):
        etcd = self.member()
        for i in range(20):
            etcd.etcdctl("put", f"key{i}", "value" * 100)
        etcd.process.terminate()
        etcd.process.wait(20)
        path = os.path.join(etcd.folder, "data", "member", "snap", "db")
        size = os.path.getsize(path)
        with open(path, "r+b") as f:
            f.truncate(8192)
        etcd.binary = HOLDFAST
        log = wait_for_end(etcd)
        self.assertGreater(size, 8192)
        self.assertIn("is cut off", log)
        self.assertIn(path, log)


@unittest.skipUnless(os.path.exists(UTL) and harness.have("etcdctl"), "holdfastutl or etcdctl is missing")
class GivenBack(unittest.TestCase):
    # VER-06: whatever the log holds, an older etcd reads none of it: its newest snapshot says all that is applied.
    def test_no_older_member_reads_entries_of_ours(self):
        server = Server(HOLDFAST)
        self.addCleanup(server.close)
        server.start()
        for i in range(20):
            server.etcdctl("put", f"key{i}", "v")
        server.process.terminate()
        server.process.wait(20)
        data = os.path.join(server.folder, "data")
        snap = os.path.join(data, "member", "snap")
        self.assertEqual([n for n in os.listdir(snap) if n.endswith(".snap")], [])
        subprocess.run([UTL, "migrate", "--data-dir", data], check=True, capture_output=True)
        kept, = (n for n in os.listdir(snap) if n.startswith("holdfast.lmdb.kept-"))
        applied = kept.rsplit("-", 1)[1]
        self.assertGreater(int(applied, 16), 20)
        newest, = (n for n in os.listdir(snap) if n.endswith(".snap"))
        self.assertEqual(newest.removesuffix(".snap").split("-")[1], applied)
        # VD-18: with the membership as members before 3.7 look for it.
        with open(os.path.join(snap, newest), "rb") as f:
            self.assertIn(b"/0/members/", f.read())


# A cluster of holdfast's has version 3.7, which older ones refuse.
@unittest.skipUnless(os.path.exists(UTL) and harness.version_of(ETCD) >= (3, 7), "holdfastutl or etcd 3.7 is missing")
class AndBack(unittest.TestCase):
    def test_etcd_goes_on_with_ours(self):
        server = Server(HOLDFAST)
        self.addCleanup(server.close)
        server.start()
        for i in range(30):
            server.etcdctl("put", f"key{i}", f"value {i}" * i)
        everything = server.everything()
        status = server.json("endpoint", "status")[0]["Status"]["header"]
        data = os.path.join(server.folder, "data")
        refused = subprocess.run([UTL, "migrate", "--data-dir", data], capture_output=True, text=True)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("in use", refused.stderr)
        server.process.terminate()
        server.process.wait(20)
        subprocess.run([UTL, "defrag", "--data-dir", data], check=True)
        subprocess.run([UTL, "migrate", "--data-dir", data], check=True, capture_output=True)
        database = os.path.join(data, "member", "snap", "db")
        ours = json.loads(subprocess.run([UTL, "snapshot", "status", database, "-w", "json"], check=True,
                                         capture_output=True, text=True).stdout)
        self.assertEqual((ours["revision"], ours["totalKey"]), (31, 30))
        server.binary = ETCD
        server.start()
        self.assertEqual(server.everything(), everything)
        after = server.json("endpoint", "status")[0]["Status"]["header"]
        self.assertEqual((after["cluster_id"], after["member_id"]), (status["cluster_id"], status["member_id"]))
        server.etcdctl("put", "more", "keys")
        server.kill()
        # And holdfast again.
        server.binary = HOLDFAST
        server.start()
        self.assertEqual(server.pairs()["more"], "keys")


@unittest.skipUnless(harness.version_of(ETCD) and harness.have("etcdctl"), "etcd or etcdctl is missing")
class Snapshots(unittest.TestCase):
    def test_etcd_restores_ours(self):
        server = Server(HOLDFAST)
        self.addCleanup(server.close)
        server.start()
        for i in range(60):
            server.etcdctl("put", f"key{i}", f"value {i}" * (i * 20))
        server.etcdctl("del", "key5")
        server.etcdctl("compact", "30")
        path = os.path.join(server.folder, "saved.db")
        server.etcdctl("snapshot", "save", path)
        self.assertEqual(os.path.getsize(path) % 512, 32)
        status = json.loads(server.etcdctl("snapshot", "status", path, "-w", "json").stdout)
        self.assertEqual(status["revision"], server.json("get", "x")["header"]["revision"])
        everything = server.everything()
        hash_before = server.json("endpoint", "hashkv")[0]["HashKV"]["hash"]

        etcd = Server(ETCD)
        self.addCleanup(etcd.close)
        peer = f"http://127.0.0.1:{etcd.peer_port}"
        subprocess.run(
            [restore_tool(), "snapshot", "restore", path, "--name", "m", "--data-dir",
             os.path.join(etcd.folder, "data"), "--initial-cluster", f"m={peer}",
             "--initial-advertise-peer-urls", peer], check=True, capture_output=True,
            env={**os.environ, "ETCDCTL_API": "3"})
        etcd.start()
        self.assertEqual(etcd.everything(), everything)
        self.assertEqual(etcd.json("endpoint", "hashkv")[0]["HashKV"]["hash"], hash_before)
        # And back: the directory that etcd made of it is taken over. What 3.4's tool restores still names the snapshot's
        # members in the database: who is in the cluster stands only in its v2 store.
        etcd.etcdctl("put", "more", "keys")
        members = etcd.json("member", "list")["members"]
        etcd.kill()
        etcd.binary = HOLDFAST
        etcd.start()
        self.assertEqual([kv for kv in etcd.everything() if kv["mod_revision"] <= status["revision"]],
                         everything)
        self.assertEqual(etcd.json("member", "list")["members"], members)
        etcd.kill()
        etcd.start()
        self.assertEqual(etcd.json("member", "list")["members"], members)

    # TRP-46
    def test_what_was_restored_and_never_ran(self):
        """Three members by the tool of that etcd, each first started as holdfast."""
        server = Server(ETCD)
        self.addCleanup(server.close)
        server.start()
        server.etcdctl("put", "k", "v")
        path = os.path.join(server.folder, "saved.db")
        server.etcdctl("snapshot", "save", path)
        strangers = {m["ID"] for m in server.json("member", "list")["members"]}
        cluster = Cluster(*[HOLDFAST] * 3)
        self.addCleanup(cluster.close)
        for member in cluster.members:
            subprocess.run(
                [restore_tool(), "snapshot", "restore", path, "--name", member.name, "--data-dir", member.data_dir,
                 "--initial-cluster", cluster.initial_cluster(), "--initial-advertise-peer-urls", member.peer_url],
                check=True, capture_output=True, env={**os.environ, "ETCDCTL_API": "3"})
        cluster.start()
        first, _, third = cluster.members
        self.assertEqual(third.get("k"), "v")
        members = first.json("member", "list")["members"]
        self.assertEqual({m["name"] for m in members}, {"m1", "m2", "m3"})
        self.assertFalse(strangers & {m["ID"] for m in members})
        first.put("k", "w")
        cluster.assert_equal_hashes(self)


if __name__ == "__main__":
    unittest.main()
