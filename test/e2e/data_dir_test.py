"""Data directories and disks that are not as they should be: a clear message, an exit status, nothing damaged. DIR-01 DIR-02
DIR-05 DIR-06 WAL-06 WAL-10 PUT-21 F-002 F-003"""
import glob
import hashlib
import os
import shutil
import subprocess
import tempfile
import time
import unittest

import harness
from cluster_harness import harness_wait

HERE = os.path.dirname(os.path.abspath(__file__))


def contents(folder):
    """What every file below holds; LMDB's lock file, which changes by being looked at, left out."""
    found = {}
    for path in sorted(glob.glob(folder + "/**", recursive=True)):
        if os.path.isfile(path) and not path.endswith("-lock"):
            with open(path, "rb") as f:
                found[os.path.relpath(path, folder)] = hashlib.sha256(f.read()).hexdigest()
    return found


class DataDir(unittest.TestCase):
    def server(self, *flags, environment=None):
        server = harness.Server(harness.HOLDFAST, *flags, environment=environment)
        self.addCleanup(server.close)
        return server

    def data(self, server, *parts):
        return os.path.join(server.folder, "data", *parts)

    def refused(self, server, text):
        before = contents(self.data(server))
        with self.assertRaises(RuntimeError) as caught:
            server.start()
        self.assertNotIn(server.process.returncode, (None, 0), "still runs, or left with success")
        self.assertGreaterEqual(server.process.returncode, 0, "ended by a signal")
        self.assertIn(text, str(caught.exception))
        self.assertEqual(contents(self.data(server)), before)

    # DIR-05
    def test_second_process(self):
        first = self.server().start()
        first.etcdctl("put", "k", "v")
        second = self.server()
        shutil.rmtree(self.data(second), ignore_errors=True)
        os.symlink(self.data(first), self.data(second))
        with self.assertRaises(RuntimeError) as caught:
            second.start()
        self.assertGreater(second.process.returncode, 0)
        self.assertIn("another process", str(caught.exception))
        first.etcdctl("put", "k2", "v2")
        first.kill()
        self.assertEqual(first.start().pairs(), {"k": "v", "k2": "v2"})

    # F-101 TLS-16
    def test_defragments_at_the_start(self):
        def restarted(megabytes):
            server.flags = ["--bootstrap-defrag-threshold-megabytes", str(megabytes)]
            server.kill()
            before = self.log_of(server)
            server.start()
            return self.log_of(server)[len(before):]

        server = self.server().start()
        for i in range(6):
            server.etcdctl("put", f"k{i}", stdin="x" * 1_000_000)
        server.etcdctl("del", "k", "--prefix")
        server.etcdctl("compact", "8", "--physical")
        server.etcdctl("put", "kept", "value")
        time.sleep(0.5)  # a batch interval or more, so that the pages are free in the file
        skipped = restarted(1000)
        self.assertIn('"Skipping defragmentation"', skipped)
        self.assertIn('"bootstrap-defrag-threshold":"1.0 GB"', skipped)
        size = server.json("endpoint", "status")[0]["Status"]["dbSize"]
        self.assertIn('"finished defragmenting directory"', restarted(4))
        self.assertLess(server.json("endpoint", "status")[0]["Status"]["dbSize"], size - 4_000_000)
        self.assertEqual(server.pairs(), {"kept": "value"})
        self.assertNotIn("defragment", restarted(0))

    def log_of(self, server):
        with open(os.path.join(server.folder, "log")) as f:
            return f.read()

    # DIR-02
    def test_not_a_directory_or_foreign(self):
        server = self.server()
        with open(self.data(server), "w") as f:
            f.write("a file")
        self.refused(server, "data")
        server = self.server()
        os.makedirs(self.data(server, "proxy"))
        self.refused(server, "proxy")
        server = self.server()
        os.makedirs(self.data(server, "proxy"))
        os.makedirs(self.data(server, "member"))
        self.refused(server, "proxy")

    # A database of etcd without its log can't be taken over (takeover_test.py shows what can).
    @unittest.skipUnless(harness.have("etcd"), "etcd is not installed")
    def test_data_of_etcd(self):
        theirs = harness.Server("etcd").start()
        self.addCleanup(theirs.close)
        theirs.etcdctl("put", "k", "v")
        theirs.kill()
        server = self.server()
        os.rename(os.path.join(theirs.folder, "data"), self.data(server))
        shutil.rmtree(self.data(server, "member", "wal"))
        self.refused(server, "was written by etcd")

    # DIR-06
    def test_log_without_backend(self):
        server = self.server().start()
        server.etcdctl("put", "k", "v")
        server.kill()
        for path in glob.glob(self.data(server, "member", "snap", "*.lmdb*")):
            shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)
        self.refused(server, "missing")

    def records_end(self, path):
        with open(path, "rb") as f:
            return len(f.read().rstrip(b"\0"))

    def filled(self, *flags):
        """A stopped server with 20 puts in its log and few or none of them in the backend."""
        server = self.server("--backend-batch-interval", "1h", *flags).start()
        for i in range(20):
            server.etcdctl("put", f"k{i:02}", "v" * 100)
        server.kill()
        log = sorted(glob.glob(self.data(server, "member", "wal", "*.wal")))[-1]
        return server, log

    # WAL-06
    def test_flipped_bit_in_the_log(self):
        server, log = self.filled()
        with open(log, "r+b") as f:
            f.seek(self.records_end(log) // 2)
            byte = f.read(1)
            f.seek(-1, os.SEEK_CUR)
            f.write(bytes([byte[0] ^ 0x10]))
        self.refused(server, "crc")

    # WAL-10
    def test_torn_tail_of_the_log(self):
        server, log = self.filled()
        end = self.records_end(log)
        with open(log, "r+b") as f:
            f.truncate(end - 40)
        server.start()
        pairs = server.pairs()
        self.assertEqual(len(pairs), 19)
        self.assertTrue(glob.glob(log + ".broken"))
        server.etcdctl("put", "after", "v")
        server.kill()
        self.assertEqual(server.start().pairs(), {**pairs, "after": "v"})

    # After a sync that failed nothing can be trusted: the process ends at once, and what was answered is there.
    @unittest.skipUnless(harness.have("gcc"), "gcc is not installed")
    def test_failing_sync(self):
        with tempfile.TemporaryDirectory(prefix="holdfast-e2e-") as folder:
            library, switch = os.path.join(folder, "broken.so"), os.path.join(folder, "broken")
            subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, os.path.join(HERE, "broken_disk.c"), "-ldl"],
                           check=True)
            server = self.server(environment={"LD_PRELOAD": library, "BROKEN_DISK": switch}).start()
            server.etcdctl("put", "k", "v")
            open(switch, "w").close()
            self.assertNotEqual(server.etcdctl("put", "k", "lost", check=False).returncode, 0)
            self.assertGreater(server.process.wait(20), 0)
            with open(os.path.join(server.folder, "log")) as f:
                self.assertIn("Input/output error", f.read())
            os.remove(switch)
            server.start()
            self.assertIn(server.pairs()["k"], ("v", "lost"))
            server.etcdctl("put", "k", "again")
            self.assertEqual(server.pairs(), {"k": "again"})

    # A small tmpfs. Writes that were answered are there when there is room again.
    def test_full_disk(self):
        with tempfile.TemporaryDirectory(prefix="holdfast-e2e-") as folder:
            if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160m", "none", folder],
                                                   capture_output=True).returncode != 0:
                self.skipTest("may not mount a tmpfs")
            try:
                self.fill(folder)
            finally:
                subprocess.run(["umount", "-l", folder], check=True)

    def fill(self, folder):
        server = self.server()
        shutil.rmtree(self.data(server), ignore_errors=True)
        os.symlink(folder, self.data(server))
        server.start()
        acknowledged = {}
        for i in range(200):
            if server.etcdctl("put", f"k{i}", stdin="x" * 1_000_000, check=False).returncode != 0:
                break
            acknowledged[f"k{i}"] = "x" * 1_000_000
        self.assertLess(len(acknowledged), 100)
        self.assertGreater(server.process.wait(20), 0)
        with open(os.path.join(server.folder, "log")) as f:
            self.assertIn("No space left on device", f.read())
        subprocess.run(["mount", "-o", "remount,size=600m", folder], check=True)
        server.start()
        kept = server.pairs()
        self.assertLessEqual(acknowledged.items(), kept.items())
        server.close()


class Flags(unittest.TestCase):
    # FLG-01
    def test_bad_flags(self):
        for flags, status, text in ((["--no-such-flag"], 2, "flag provided but not defined: -no-such-flag"),
                                    (["--heartbeat-interval=x"], 2, "invalid value"),
                                    (["--election-timeout=10"], 1, "--election-timeout"),
                                    (["stray"], 1, "is not a valid flag"),
                                    (["--listen-client-urls=http://example.com:1"], 1, "expected IP in URL"),
                                    (["--initial-cluster=other=http://127.0.0.1:1"], 1, "default")):
            with tempfile.TemporaryDirectory(prefix="holdfast-e2e-") as folder:
                ran = subprocess.run([harness.HOLDFAST, "--data-dir", os.path.join(folder, "d"), *flags],
                                     capture_output=True, text=True, timeout=30)
                self.assertEqual(ran.returncode, status, (flags, ran.stderr))
                self.assertIn(text, ran.stderr)
                self.assertFalse(os.path.exists(os.path.join(folder, "d", "member", "wal")))

    # FLG-12: nobody could be served.
    def test_too_few_files(self):
        with tempfile.TemporaryDirectory(prefix="holdfast-e2e-") as folder:
            ran = subprocess.run(["prlimit", "--nofile=150", harness.HOLDFAST, "--data-dir", os.path.join(folder, "d")],
                                 capture_output=True, text=True, timeout=30)
            self.assertEqual(ran.returncode, 1, ran.stderr)
            self.assertIn("file descriptor limit of etcd process is too low; please set higher", ran.stderr)
            self.assertFalse(os.path.exists(os.path.join(folder, "d", "member", "wal")))

    # OPS-15
    def test_most_files_in_use(self):
        inherited = [os.open("/dev/null", os.O_RDONLY) for _ in range(240)]
        self.addCleanup(lambda: [os.close(f) for f in inherited])
        server = harness.Server(harness.HOLDFAST)
        self.addCleanup(server.close)
        server.prefix, server.inherited = ["prlimit", "--nofile=300"], inherited
        server.start()
        harness_wait(lambda: "80% of file descriptors are used" in server.log(), 20, server.log)

    # OPS-16
    def test_quota_is_told(self):
        for quota, text in ((0, '"msg":"enabled backend quota with default value","quota-name":"v3-applier",'
                                '"quota-size-bytes":2147483648,"quota-size":"2.1 GB"'),
                            (-1, '"msg":"disabled backend quota"'),
                            (10 << 30, '"msg":"quota exceeds the maximum value"')):
            server = harness.Server(harness.HOLDFAST, f"--quota-backend-bytes={quota}")
            self.addCleanup(server.close)
            server.start()
            self.assertIn(text, server.log())
            server.close()


if __name__ == "__main__":
    unittest.main()
