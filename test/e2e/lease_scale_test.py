"""Leases that expire together while puts go on: every key goes, once, none early, and the server serves meanwhile. LEA-13
LEA-14 TRP-69 WAT-21

HOLDFAST_LEASES: how many (10000; they end at the rate of etcd's, 1,000 a second, so that 500000 take a quarter of an hour)."""
import base64
import json
import os
import subprocess
import threading
import time
import unittest
import urllib.request

from bench_case import BenchCase

LEASES = int(os.environ.get("HOLDFAST_LEASES", "10000"))
TTL = 10 + LEASES // 2500  # longer than granting them and putting their keys takes


class Scale(BenchCase):
    BENCH_SECONDS_MAX = 900

    def count(self):
        """How many keys begin with bench/."""
        question = {"key": base64.b64encode(b"bench/").decode(), "range_end": base64.b64encode(b"bench0").decode(),
                    "count_only": True}
        with urllib.request.urlopen(self.server.url + "/v3/kv/range", json.dumps(question).encode(), 20) as answer:
            return int(json.load(answer).get("count", 0))

    def test_leases_that_expire_together(self):
        keys = f"--key-space={LEASES}"
        watch = subprocess.Popen(self.command("watch", "--listen", f"--watchers={LEASES}", "--connections=2", "--streams=5",
                                              keys), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(watch.communicate)
        self.addCleanup(watch.kill)
        self.assertEqual(watch.stdout.readline(), f"{LEASES} watchers\n")
        kept = self.server.etcdctl("lease", "grant", "3600").stdout.split()[1]
        self.server.etcdctl("put", "--lease", kept, "kept", "x")
        began = time.monotonic()
        self.bench("lease-grant", "--sequential", f"--ttl={TTL}", f"--requests={LEASES}")
        self.bench("put", "--sequential", "--attach", f"--requests={LEASES}", keys)
        looks = 0
        while True:
            found = self.count()
            if time.monotonic() >= began + TTL:
                break
            looks += 1
            self.assertEqual(found, LEASES)  # none early
        self.assertGreater(looks, 0)

        served = []
        over = threading.Event()

        def put_until_over():
            # Keys of another length: others than the leases'.
            while not over.is_set():
                served.append(self.bench("put", "--connections=2", "--streams=5", "--requests=2000", "--key-size=40",
                                         "--key-space=100")["calls"])
                over.wait(0.1)
        load = threading.Thread(target=put_until_over)
        load.start()
        try:
            out, err = watch.communicate(timeout=60 + LEASES / 500)
        finally:
            over.set()
            load.join()
        # Every watcher was told of one put and then of the end of its key.
        self.assertEqual(watch.returncode, 0, err)
        self.assertEqual(json.loads(out)["calls"], 2 * LEASES)
        self.assertGreater(sum(served), 0)
        self.assertEqual(self.count(), 100)
        self.assertEqual(self.server.etcdctl("get", "kept").stdout, "kept\nx\n")
        self.assertEqual(self.server.etcdctl("lease", "list").stdout.split(), ["found", "1", "leases", kept])


if __name__ == "__main__":
    unittest.main()
