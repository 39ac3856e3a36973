"""The KV API through the real etcdctl: what a user sees, across kill -9, and beside Debian's etcd. KV-20 KV-26 KV-08 TXN-05
TXN-12 KV-27 MNT-07 PUT-21 TRP-14"""
import random
import threading
import unittest

import harness


@unittest.skipUnless(harness.have("etcdctl"), "etcdctl is not installed")
class Crash(unittest.TestCase):
    # PUT-21
    def test_acknowledged_writes_survive_kill(self):
        server = harness.Server(harness.HOLDFAST)
        self.addCleanup(server.close)
        acknowledged, attempted = {}, set()
        for round_number in range(5):
            server.start()
            self.assertEqual({k: v for k, v in server.pairs().items() if k in acknowledged}, acknowledged)
            self.assertLessEqual(set(server.pairs()), attempted)
            stop = threading.Timer(0.2 + 0.1 * round_number, server.kill)
            stop.start()
            for i in range(200):
                key, value = f"k{round_number}-{i}", f"v{i}"
                attempted.add(key)
                if server.etcdctl("put", key, value, check=False).returncode != 0:
                    break
                acknowledged[key] = value
            stop.join()
        server.start()
        for key, value in acknowledged.items():
            self.assertEqual(server.pairs().get(key), value)


@unittest.skipUnless(harness.have("etcdctl", "etcd"), "etcd or etcdctl is not installed")
class BesideEtcd(unittest.TestCase):
    def setUp(self):
        self.ours = harness.Server(harness.HOLDFAST).start()
        self.addCleanup(self.ours.close)
        self.theirs = harness.Server("etcd").start()
        self.addCleanup(self.theirs.close)

    def both(self, *arguments, **more):
        answers = [s.etcdctl(*arguments, check=False, **more) for s in (self.ours, self.theirs)]
        self.assertEqual(answers[0].stdout, answers[1].stdout, arguments)
        self.assertEqual(answers[0].returncode, answers[1].returncode, (arguments, answers[0].stderr))

    def test_same_commands_same_answers_and_hash(self):
        random_ = random.Random(20261124)
        keys = [f"key{i}" for i in range(8)]
        for step in range(60):
            key, other = random_.choice(keys), random_.choice(keys)
            what = random_.randrange(6)
            if what <= 2:
                self.both("put", key, f"value{step}", "--prev-kv")
            elif what == 3:
                self.both("del", key, "--prev-kv")
            elif what == 4:
                self.both("get", key, "zzz", "--limit=3", "--order=DESCEND", "--sort-by=MODIFY")
            else:
                self.both("txn", stdin=f'mod("{key}") > "3"\n\nput {other} then{step}\nget {key}\n\n'
                                       f'del {key}\nput {key} else{step}\n\n')
        self.assertEqual(self.ours.everything(), self.theirs.everything())
        hashes = [s.json("endpoint", "hashkv")[0]["HashKV"]["hash"] for s in (self.ours, self.theirs)]
        self.assertEqual(hashes[0], hashes[1])

    def test_errors_read_alike(self):
        for arguments in (["get", "k", "--rev=99"], ["compaction", "99"], ["put", "k", "v", "--lease=1234"],
                          ["put", "", "v"], ["put", "none", "--ignore-value"]):
            answers = [s.etcdctl(*arguments, check=False) for s in (self.ours, self.theirs)]
            self.assertNotEqual(answers[0].returncode, 0, arguments)
            self.assertEqual(*[a.stderr.strip().splitlines()[-1] for a in answers])


if __name__ == "__main__":
    unittest.main()
