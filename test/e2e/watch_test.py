"""Watch through the real etcdctl: beside Debian's etcd, with a client that stands still under load, and across a restart.
WAT-01 WAT-11 WAT-13 WAT-18 CMD-07 CLI-14"""
import base64
import json
import os
import random
import signal
import subprocess
import threading
import time
import unittest

import harness


class Watcher:
    """An etcdctl watch whose answers are read as JSON lines."""

    def __init__(self, server, *arguments):
        self.responses, self.condition = [], threading.Condition()
        self.process = subprocess.Popen(
            ["etcdctl", "--endpoints", server.url, "watch", *arguments, "-w", "json"], stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, stdin=subprocess.PIPE, text=True, env={**os.environ, "ETCDCTL_API": "3"})
        self.thread = threading.Thread(target=self.read)
        self.thread.start()

    def read(self):
        for line in self.process.stdout:
            if line.startswith("{"):
                self.add(json.loads(line))
            elif line.startswith("progress notify: "):
                self.add({"Header": {"revision": int(line.split()[-1])}, "Events": []})

    def add(self, response):
        with self.condition:
            self.responses.append(response)
            self.condition.notify()

    def events(self):
        """(type, key, value, mod revision, version, previous value) in their order."""
        text = lambda kv, field: base64.b64decode(kv.get(field, "")).decode()
        return [("DELETE" if e.get("type") == 1 else "PUT", text(e["kv"], "key"), text(e["kv"], "value"),
                 e["kv"]["mod_revision"], e["kv"].get("version"), text(e.get("prev_kv", {}), "value"))
                for r in self.responses for e in r["Events"]]

    def wait(self, condition, seconds=60):
        with self.condition:
            if not self.condition.wait_for(lambda: condition(self), seconds):
                raise AssertionError(f"waited in vain; {len(self.events())} events, last {self.events()[-1:]}")
        return self

    def wait_for_last(self, key):
        return self.wait(lambda w: any(e[1] == key for e in w.events()[-3:]))

    def close(self):
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()
        self.thread.join()
        self.process.stdin.close()
        self.process.stdout.close()


def until_watching(server, count):
    """Waits until the server has so many watchers: only then is `from now on` a known moment."""
    for _ in range(600):
        page = subprocess.run(["curl", "-s", server.url + "/metrics"], capture_output=True, text=True).stdout
        if f"\netcd_debugging_mvcc_watcher_total {count}\n" in page:
            return
        time.sleep(0.02)
    raise AssertionError("no watchers")


@unittest.skipUnless(harness.have("etcdctl", "etcd", "curl"), "etcd, etcdctl or curl is not installed")
class BesideEtcd(unittest.TestCase):
    def scenario(self, binary):
        """What four watchers see of one history; etcd's answers are the oracle."""
        server = harness.Server(binary).start()
        self.addCleanup(server.close)
        server.etcdctl("put", "a/0", "before")
        watchers = [Watcher(server, "a/", "--prefix"), Watcher(server, "a/1", "--prev-kv"),
                    Watcher(server, "a/1", "a/3"), Watcher(server, "", "--prefix", "--prev-kv")]
        for w in watchers:
            self.addCleanup(w.close)
        until_watching(server, 4)
        random_ = random.Random(5)
        for step in range(40):
            key = f"a/{random_.randrange(4)}"
            what = random_.randrange(4)
            if what < 2:
                server.etcdctl("put", key, f"v{step}")
            elif what == 2:
                server.etcdctl("del", key)
            else:
                server.etcdctl("txn", stdin=f'\nput a/1 t{step}\nput a/2 t{step}\ndel a/3\n\n\n')
        for key in ("a/1", "a/2", "a/9", "end"):
            server.etcdctl("put", key, "end")
        for w, last in zip(watchers, ("a/9", "a/1", "a/2", "end")):
            w.wait(lambda w, last=last: any(e[1] == last and e[2] == "end" for e in w.events()[-3:]))
        past = Watcher(server, "a/", "--prefix", "--rev", "1")
        self.addCleanup(past.close)
        past.wait_for_last("a/9")
        server.etcdctl("compaction", "20")
        compacted = server.etcdctl("watch", "a/", "--prefix", "--rev", "5", check=False)
        seen = [w.events() for w in watchers] + [past.events()]
        whole = [[sorted({e["kv"]["mod_revision"] for e in r["Events"]}) for r in w.responses] for w in watchers]
        headers = [[r["Header"]["revision"] for r in w.responses] for w in watchers]
        return seen, whole, headers, compacted.returncode, compacted.stderr.split("\n")[0]

    def test_same_history_same_events(self):
        ours, theirs = self.scenario(harness.HOLDFAST), self.scenario("etcd")
        for mine, other in zip(ours, theirs):
            self.assertEqual(mine, other)


@unittest.skipUnless(harness.have("etcdctl", "curl"), "etcdctl or curl is not installed")
class OneServer(unittest.TestCase):
    def setUp(self):
        self.server = harness.Server(harness.HOLDFAST).start()
        self.addCleanup(self.server.close)

    def watch(self, *arguments):
        watcher = Watcher(self.server, *arguments)
        self.addCleanup(watcher.close)
        return watcher

    def put_many(self, count, size):
        """Puts in transactions of 50, which is what a shell client can do quickly; returns the number of events."""
        value = "x" * size
        for first in range(0, count, 50):
            puts = "".join(f"put k{i} {value}{i}\n" for i in range(first, first + 50))
            self.server.etcdctl("txn", stdin="\n" + puts + "\n\n")
        return count

    # WAT-18 TRP-21
    def test_client_that_stands_still_misses_nothing(self):
        stuck, quick = self.watch("k", "--prefix"), self.watch("k", "--prefix")
        until_watching(self.server, 2)
        stuck.process.send_signal(signal.SIGSTOP)
        before = self.rss()
        count = self.put_many(5000, 4000)  # 20 MB, far more than all windows and buffers between the two
        quick.wait(lambda w: len(w.events()) == count)
        self.assertLess(self.rss() - before, 150 << 20)  # the store itself holds those 20 MB, and its batches
        page = subprocess.run(["curl", "-s", self.server.url + "/metrics"], capture_output=True, text=True).stdout
        self.assertIn("\netcd_debugging_mvcc_slow_watcher_total 1\n", page)
        stuck.process.send_signal(signal.SIGCONT)
        stuck.wait(lambda w: len(w.events()) == count)
        self.assertEqual(stuck.events(), quick.events())
        revisions = [e[3] for e in stuck.events()]
        self.assertEqual(revisions, sorted(revisions))

    def rss(self):
        with open(f"/proc/{self.server.process.pid}/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS"))

    # CLI-14
    def test_clients_resume_after_a_restart(self):
        watcher = self.watch("k", "--prefix")
        until_watching(self.server, 1)
        for i in range(10):
            self.server.etcdctl("put", "k", f"before {i}")
        watcher.wait(lambda w: len(w.events()) == 10)
        self.server.kill()
        self.server.start()
        for i in range(10):
            self.server.etcdctl("put", "k", f"after {i}")
        watcher.wait(lambda w: len(w.events()) == 20)
        self.assertEqual([e[3] for e in watcher.events()], list(range(2, 22)))

    # WAT-17
    def test_progress_on_request(self):
        watcher = self.watch("-i")
        watcher.process.stdin.write("watch k --prefix\n")
        watcher.process.stdin.flush()
        until_watching(self.server, 1)
        for i in range(5):
            self.server.etcdctl("put", "elsewhere", str(i))
        watcher.process.stdin.write("progress\n")
        watcher.process.stdin.flush()
        watcher.wait(lambda w: any(not r["Events"] and r["Header"]["revision"] == 6 for r in w.responses))


class ProgressNotify(unittest.TestCase):
    # WAT-16 F-099; what the interval does is tested where a client can ask for it (rpc_watch_test).
    @unittest.skipUnless(harness.have("etcdctl"), "etcdctl is not installed")
    def test_interval_reaches_the_service(self):
        server = harness.Server(harness.HOLDFAST, "--watch-progress-notify-interval", "10ms").start()
        self.addCleanup(server.close)
        with open(os.path.join(server.folder, "log")) as log:
            self.assertIn("adjusting watch progress notify interval to minimum period", log.read())


if __name__ == "__main__":
    unittest.main()
