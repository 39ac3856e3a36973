"""etcd's own Go client (go.etcd.io/etcd/client/v3) against holdfast: go/client_test.go. Skipped without go, or where its modules
can be had neither from the module cache nor from the proxy."""
import os
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))
import harness  # noqa: E402

MODULE = os.path.join(HERE, "go")


def go(*arguments, seconds, **environment):
    return subprocess.run(["go", *arguments], cwd=MODULE, capture_output=True, text=True, timeout=seconds,
                          env={**os.environ, "GOFLAGS": "-mod=readonly", **environment})


@unittest.skipUnless(harness.have("go", "etcdctl"), "go or etcdctl is not installed")
class GoClient(unittest.TestCase):
    def test_client(self):
        try:
            fetched = go("mod", "download", seconds=100)
        except subprocess.TimeoutExpired:
            self.skipTest("Go's modules don't come")
        if fetched.returncode != 0:
            self.skipTest("Go's modules can't be had: " + fetched.stderr[-500:])
        server = harness.Server(harness.HOLDFAST).start()
        self.addCleanup(server.close)
        # The client and what it needs are compiled first, once a machine.
        ran = go("test", "-count=1", "-timeout=100s", "./...", seconds=600, HOLDFAST_ENDPOINT=server.url)
        self.assertEqual(ran.returncode, 0, ran.stdout[-5000:] + ran.stderr[-2000:])


if __name__ == "__main__":
    unittest.main()
