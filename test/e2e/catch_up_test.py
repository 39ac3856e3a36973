"""A member that comes back to 150 MB it has not seen is caught up by a snapshot, and neither it nor the sender holds more of it
in memory than some pieces. (With 2 GB: tools/bench --only catch-up-large.) RAFT-17 RAFT-18 RAFT-21"""
import contextlib
import re
import sys
import threading
import unittest

import harness
import rpc
from cluster_harness import Cluster, harness_wait

VALUE_BYTES, KEYS = 1_000_000, 150
BESIDES_BYTES_MAX = 64 << 20


def anonymous_bytes(member):
    """What the process holds that is no page of a file."""
    with open(f"/proc/{member.process.pid}/status") as f:
        return int(re.search(r"^RssAnon:\s+(\d+) kB", f.read(), re.MULTILINE).group(1)) << 10


class Peak:
    """Of a member's anonymous memory while the block runs."""

    def __init__(self, *members):
        self.members, self.over, self.bytes = members, threading.Event(), {m.name: 0 for m in members}

    def __enter__(self):
        self.thread = threading.Thread(target=self.run)
        self.thread.start()
        return self

    def run(self):
        while not self.over.wait(0.005):
            for member in self.members:
                with contextlib.suppress(OSError, AttributeError):
                    self.bytes[member.name] = max(self.bytes[member.name], anonymous_bytes(member))

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


@unittest.skipUnless(harness.have("etcdctl"), "etcdctl is not installed")
class CatchUp(unittest.TestCase):
    def test_memory_stays_small(self):
        cluster = Cluster(*[harness.HOLDFAST] * 3, flags=["--snapshot-count=20", "--snapshot-catchup-entries=5"]).start()
        self.addCleanup(cluster.close)
        leader, behind = cluster.leader(), cluster.followers()[0]
        behind.kill()
        client = rpc.Client(f"{leader.host}:{leader.client_port}")
        self.addCleanup(client.close)
        for number in range(KEYS):
            client.Put(key=b"big%d" % number, value=b"%06d" % number * (VALUE_BYTES // 6))
        client.Put(key=b"last", value=b"")
        others = [m for m in cluster.members if m is not behind]
        # What the log kept for the one that is down goes with the next snapshots.
        for _ in range(50):
            client.Put(key=b"last", value=b"here")
        before = {m.name: anonymous_bytes(m) for m in others}
        with Peak(*cluster.members) as peak:
            behind.start().wait_ready()
            harness_wait(lambda: behind.get("last") == "here", 30, behind.log, behind)
        with open(behind.log_path) as log:
            self.assertIn("applied snapshot", log.read())
        settled = anonymous_bytes(behind)
        print({m.name: (peak.bytes[m.name] - before[m.name]) >> 20 for m in others}, (peak.bytes[behind.name] - settled) >> 20,
              settled >> 20)
        self.assertLess(settled, BESIDES_BYTES_MAX)
        self.assertLess(peak.bytes[behind.name] - settled, BESIDES_BYTES_MAX)
        for member in others:
            self.assertLess(peak.bytes[member.name] - before[member.name], BESIDES_BYTES_MAX)
        cluster.assert_equal_hashes(self)


if __name__ == "__main__":
    if rpc.available:
        unittest.main()
    else:
        print("skipped: protoc or python3-grpcio is not installed", file=sys.stderr)
