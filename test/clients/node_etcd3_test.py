"""npm's etcd3 against holdfast. The package is fetched into the build directory once; without npm or a registry the test is
skipped. KV-02 KV-20 TXN-05 TXN-12 ERR-01 ERR-10 CLI-14"""
import os
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))
import harness  # noqa: E402
import over_a_restart  # noqa: E402

PACKAGE = "etcd3@1.1.2"
FOLDER = os.environ.get("HOLDFAST_NPM_FOLDER") or os.path.join(os.path.dirname(os.path.abspath(harness.HOLDFAST)), "npm")


def fetch():
    if os.path.isdir(os.path.join(FOLDER, "node_modules", "etcd3")):
        return True
    os.makedirs(FOLDER, exist_ok=True)
    try:
        subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--silent", "--prefix", FOLDER, PACKAGE],
                       check=True, capture_output=True, timeout=120)
    except (OSError, subprocess.SubprocessError):
        return False
    return True


@unittest.skipUnless(harness.have("node", "npm", "etcdctl"), "node, npm or etcdctl is not installed")
class NodeEtcd3(unittest.TestCase):
    def test_script(self):
        if not fetch():
            self.skipTest(f"{PACKAGE} can't be fetched from npm's registry")
        server = harness.Server(harness.HOLDFAST).start()
        self.addCleanup(server.close)
        ran = subprocess.run(["node", os.path.join(HERE, "node_etcd3.js"), FOLDER, server.url],
                             capture_output=True, text=True, timeout=60)
        self.assertEqual(ran.stdout, "done\n", ran.stderr)

    def test_watch_over_a_restart(self):
        if not fetch():
            self.skipTest(f"{PACKAGE} can't be fetched from npm's registry")
        server = harness.Server(harness.HOLDFAST).start()
        self.addCleanup(server.close)
        node = subprocess.Popen(["node", os.path.join(HERE, "node_etcd3_restart.js"), FOLDER, server.url],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.assertEqual(over_a_restart.drive(self, server, node), '["w/0=v","w/1=v","w/2=v","w/3=v","w/4=v","w/5=v"]\n')


if __name__ == "__main__":
    unittest.main()
