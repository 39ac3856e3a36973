"""holdfastutl beside etcdutl: what a snapshot holds, its hash, and the clusters that are made of it.
UTL-01 UTL-03..07 SNP-05 BKT-13"""
import json
import os
import subprocess
import tempfile
import unittest

import harness
from cluster_harness import Cluster

UTL = os.path.join(os.path.dirname(harness.HOLDFAST), "holdfastutl")
ETCD, ETCDUTL = "/work/.ref/bin/etcd", "/work/.ref/bin/etcdutl"


def run(binary, *arguments):
    return subprocess.run([binary, *arguments], capture_output=True, text=True)


def content_of(path):
    with open(path, "rb") as f:
        return f.read()


def write(path, content):
    with open(path, "wb") as f:
        f.write(content)


@unittest.skipUnless(os.path.exists(UTL) and harness.have("etcdctl"), "holdfastutl or etcdctl is missing")
class Restore(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="holdfast-restore-")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.made = {}

    def snapshot(self, binary):
        """A file, and what the server said of it."""
        if binary not in self.made:
            self.made[binary] = self.make_snapshot(binary, os.path.join(self.folder.name, f"{len(self.made)}.db"))
        return self.made[binary]

    @staticmethod
    def make_snapshot(binary, path):
        server = harness.Server(binary)
        try:
            server.start()
            for i in range(30):
                server.etcdctl("put", f"key{i % 12}", f"value {i}" * i)
            server.etcdctl("del", "key5")
            server.etcdctl("del", "key1", "key3")
            server.etcdctl("lease", "grant", "3000")
            server.etcdctl("compact", "20")
            server.etcdctl("put", "last", "one")
            server.etcdctl("snapshot", "save", path)
            return path, {"everything": server.everything(),
                          "hash": server.json("endpoint", "hashkv")[0]["HashKV"]["hash"]}
        finally:
            server.kill()
            server.close()

    def restored_cluster(self, path, restore, binary=harness.HOLDFAST, flags=()):
        cluster = Cluster(*[binary] * 3)
        self.addCleanup(cluster.close)
        for member in cluster.members:
            result = run(restore, "snapshot", "restore", path, "--name", member.name, "--data-dir", member.data_dir,
                         "--initial-cluster", cluster.initial_cluster(), "--initial-cluster-token", "restored",
                         "--initial-advertise-peer-urls", member.peer_url, *flags)
            self.assertEqual(result.returncode, 0, result.stderr)
        return cluster

    def check_cluster(self, cluster, facts):
        cluster.start()
        first, _, third = cluster.members
        everything = json.loads(third.etcdctl("get", "", "--prefix", "-w", "json").stdout)["kvs"]
        self.assertEqual(everything, facts["everything"])
        self.assertEqual({m.hash_kv()[0] for m in cluster.members}, {facts["hash"]})
        self.assertEqual({m["name"] for m in first.json("member", "list")["members"]}, {"m1", "m2", "m3"})
        first.put("more", "keys")
        self.assertEqual(third.get("more"), "keys")
        cluster.assert_equal_hashes(self)

    # UTL-04 UTL-05
    def test_three_members_of_one_snapshot_of_etcd(self):
        if not os.path.exists(ETCD):
            self.skipTest("no etcd 3.7")
        path, facts = self.snapshot(ETCD)
        self.check_cluster(self.restored_cluster(path, UTL), facts)

    def test_three_members_of_one_of_ours(self):
        path, facts = self.snapshot(harness.HOLDFAST)
        cluster = self.restored_cluster(path, UTL)
        self.check_cluster(cluster, facts)
        # One dies and comes back: its log says all that it needs. (UTL-02)
        cluster.members[2].kill()
        cluster.leader(cluster.members[:2])
        cluster.members[0].put("while", "away")
        refused = run(UTL, "defrag", "--data-dir", cluster.members[0].data_dir)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("in use", refused.stderr)
        self.assertEqual(run(UTL, "defrag", "--data-dir", cluster.members[2].data_dir).returncode, 0)
        cluster.members[2].start().wait_ready()
        self.assertEqual(cluster.members[2].get("while"), "away")

    # UTL-05: the same ids and the same log as etcdutl makes: members of both kinds are one cluster.
    @unittest.skipUnless(os.path.exists(ETCDUTL), "no etcdutl")
    def test_one_cluster_of_both_tools(self):
        path, facts = self.snapshot(ETCD)
        cluster = self.restored_cluster(path, UTL)
        theirs = cluster.members[0]
        subprocess.run(["rm", "-r", theirs.data_dir], check=True)
        theirs.binary = ETCD
        self.assertEqual(run(ETCDUTL, "snapshot", "restore", path, "--name", theirs.name, "--data-dir",
                             theirs.data_dir, "--initial-cluster", cluster.initial_cluster(),
                             "--initial-cluster-token", "restored", "--initial-advertise-peer-urls",
                             theirs.peer_url).returncode, 0)
        self.check_cluster(cluster, facts)

    # UTL-06
    @unittest.skipUnless(os.path.exists(ETCDUTL), "no etcdutl")
    def test_revisions_raised_as_etcdutl_raises_them(self):
        path, facts = self.snapshot(ETCD)
        bump = ["--bump-revision", "1000", "--mark-compacted"]
        found = {}
        for tool, binary in ((UTL, harness.HOLDFAST), (ETCDUTL, ETCD)):
            server = harness.Server(binary)
            self.addCleanup(server.close)
            peer = f"http://127.0.0.1:{server.peer_port}"
            result = run(tool, "snapshot", "restore", path, "--name", "m", "--data-dir",
                         os.path.join(server.folder, "data"), "--initial-cluster", f"m={peer}",
                         "--initial-advertise-peer-urls", peer, *bump)
            self.assertEqual(result.returncode, 0, result.stderr)
            server.start()
            self.assertEqual(server.everything(), facts["everything"])
            compacted = server.etcdctl("get", "last", "--rev", "30", check=False).stderr
            self.assertIn("required revision has been compacted", compacted)
            server.etcdctl("put", "after", "it")
            after = server.json("get", "after")["kvs"][0]["mod_revision"]
            status = server.json("endpoint", "hashkv")[0]["HashKV"]
            found[tool] = (after, server.everything(), status["hash"], status["compact_revision"])
            server.kill()
            server.start()
            self.assertEqual(server.json("endpoint", "hashkv")[0]["HashKV"]["hash"], status["hash"])
        self.assertEqual(found[UTL], found[ETCDUTL])

    # UTL-01 UTL-03 UTL-07
    @unittest.skipUnless(os.path.exists(ETCDUTL), "no etcdutl")
    def test_status_and_hash_as_etcdutl_prints_them(self):
        path, facts = self.snapshot(harness.HOLDFAST)
        before = content_of(path)
        self.assertEqual(json.loads(run(UTL, "hashkv", path, "-w", "json").stdout)["hash"], facts["hash"])
        for command in (["snapshot", "status"], ["hashkv"], ["hashkv", "--rev", "25"], ["hashkv", "--rev", "20"],
                        ["hashkv", "--rev", "3"], ["hashkv", "--rev", "300"]):
            for form in ("simple", "fields", "json", "table"):
                ours = run(UTL, *command, path, "-w", form)
                copy = path + ".copy"  # etcdutl writes to it
                write(copy, before)
                theirs = run(ETCDUTL, *command, copy, "-w", form)
                self.assertEqual((ours.returncode, ours.stdout, ours.stderr),
                                 (theirs.returncode, theirs.stdout, theirs.stderr), (command, form))
        self.assertEqual(content_of(path), before)
        for form in ("protobuf", "unknown"):
            ours, theirs = (run(tool, "snapshot", "status", path, "-w", form) for tool in (UTL, ETCDUTL))
            self.assertEqual((ours.returncode, ours.stderr), (theirs.returncode, theirs.stderr))

    # UTL-09
    def test_says_its_version(self):
        lines = run(UTL, "version").stdout.splitlines()
        self.assertRegex(lines[0], r"^holdfastutl version: \d+\.\d+\.\d+$")
        self.assertEqual(lines[1], "API version: 3.7")

    def test_what_is_refused(self):
        path, _ = self.snapshot(harness.HOLDFAST)
        folder = os.path.dirname(path)
        target = os.path.join(folder, "new")

        def refusal(*arguments, file=path):
            result = run(UTL, "snapshot", "restore", file, "--data-dir", target, *arguments)
            self.assertNotEqual(result.returncode, 0)
            return result.returncode, result.stderr
        self.assertIn("data-dir \"" + folder + "\" not empty", refusal("--data-dir", folder)[1])
        self.assertIn(f"wal-dir \"{folder}\" exists", refusal("--wal-dir", folder)[1])
        self.assertEqual(refusal("--bump-revision", "3"), (128, "Error: --mark-compacted required if "
                                                                "--revision-bump > 0\n"))
        self.assertIn("couldn't find local name \"x\"", refusal("--name", "x")[1])
        self.assertIn("--initial-cluster has default=http://localhost:2380 but missing from "
                      "--initial-advertise-peer-urls=http://localhost:1",
                      refusal("--initial-advertise-peer-urls", "http://localhost:1")[1])
        self.assertIn("unknown flag: --nonsense", refusal("--nonsense")[1])
        content = content_of(path)
        damaged, cut, bare = (os.path.join(folder, name) for name in ("damaged", "cut", "bare"))
        write(damaged, content[:9000] + bytes([content[9000] ^ 1]) + content[9001:])
        write(cut, content[:-40])
        write(bare, content[:-32])
        self.assertIn("expected sha256 [", refusal(file=damaged)[1])
        self.assertIn("snapshot missing hash but --skip-hash-check=false", refusal(file=cut)[1])
        self.assertIn("snapshot missing hash but --skip-hash-check=false", refusal(file=bare)[1])
        self.assertFalse(os.path.exists(target))
        self.assertEqual(run(UTL, "snapshot", "restore", bare, "--data-dir", target, "--skip-hash-check").returncode, 0)


if __name__ == "__main__":
    unittest.main()
