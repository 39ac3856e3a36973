"""Many watchers, and one that stands still under load; holdfast-bench makes them and looks at every event. WAT-14 WAT-18
WAT-19 TRP-21

HOLDFAST_STOPPED_SECONDS: how long the client stands still (5)."""
import json
import os
import signal
import subprocess
import time
import unittest

from bench_case import BenchCase

STOPPED_SECONDS = float(os.environ.get("HOLDFAST_STOPPED_SECONDS", "5"))


class Scale(BenchCase):
    def metric(self, name):
        page = subprocess.run(["curl", "-s", self.server.url + "/metrics"], capture_output=True, text=True).stdout
        return float(next(line.split()[1] for line in page.splitlines() if line.startswith(name + " ")))

    def anonymous_memory(self):
        with open(f"/proc/{self.server.process.pid}/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("RssAnon"))

    def test_a_hundred_thousand_watchers_of_one_key(self):
        outcome = self.bench("watch", "--watchers=100000", "--connections=10", "--streams=10", "--key-space=1",
                             "--requests=20", "--check")
        self.assertEqual(outcome["calls"], 20 * 100_000)

    def test_a_hundred_thousand_watchers_of_a_thousand_keys(self):
        outcome = self.bench("watch", "--watchers=100000", "--connections=10", "--streams=10", "--key-space=1000",
                             "--requests=10000", "--check")
        self.assertEqual(outcome["calls"], 10_000 * 100)
        self.assertEqual(self.metric("etcd_debugging_mvcc_pending_events_total"), 0)

    # A client with a hundred watchings is stopped while the keys are put without pause.
    def test_a_client_that_stands_still_under_load(self):
        keys, value_bytes = 10, 2000
        flags = (f"--key-space={keys}", f"--value-size={value_bytes}")
        watch = subprocess.Popen(self.command("watch", "--listen", "--watchers=100", "--connections=1", "--streams=2",
                                              *flags), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(watch.communicate)
        self.addCleanup(watch.kill)
        self.assertEqual(watch.stdout.readline(), "100 watchers\n")
        puts = lambda n: self.bench("put", "--sequential", "--connections=2", f"--requests={n}", *flags)["calls"]
        written = puts(1000)
        watch.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        most = 0
        written += puts(10_000)  # what the store and its batches take by themselves
        before = self.anonymous_memory()
        while time.monotonic() < began + STOPPED_SECONDS:
            written += puts(5_000)
            most = max(most, self.anonymous_memory())
        # Each put makes ten responses of 2 KB for the stopped client: 10,000 puts would be 200 MB of them.
        self.assertGreater(written, 15_000)
        self.assertLess(most - before, 100 << 20)
        self.assertGreater(self.metric("etcd_debugging_mvcc_slow_watcher_total"), 0)
        watch.send_signal(signal.SIGCONT)
        self.server.etcdctl("del", "bench/", "--prefix")  # the end of it
        out, err = watch.communicate(timeout=120)
        self.assertEqual(watch.returncode, 0, err)
        self.assertEqual(json.loads(out)["calls"], (written + keys) * 10)


if __name__ == "__main__":
    unittest.main()
