"""Tests that let holdfast-bench make clients, of whom there are many."""
import json
import os
import subprocess
import unittest

import harness

BENCH = os.path.join(os.path.dirname(os.path.abspath(harness.HOLDFAST)), "holdfast-bench")


class BenchCase(unittest.TestCase):
    BENCH_SECONDS_MAX = 120  # for one run, which may take long on a busy machine

    def setUp(self):
        if not harness.have("etcdctl", BENCH):
            self.skipTest("etcdctl or holdfast-bench is not there")
        self.server = harness.Server(harness.HOLDFAST).start()
        self.addCleanup(self.server.close)

    def command(self, operation, *flags):
        return [BENCH, operation, f"--endpoint=127.0.0.1:{self.server.client_port}", "--json", *flags]

    def bench(self, operation, *flags):
        """What it reports; it fails if anything was missing, doubled or out of order."""
        done = subprocess.run(self.command(operation, *flags), capture_output=True, text=True,
                              timeout=self.BENCH_SECONDS_MAX)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return json.loads(done.stdout)
