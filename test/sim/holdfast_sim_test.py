#!/usr/bin/env python3
"""holdfast-sim as its users call it: same seed, same run; flags; what it says."""
import os
import re
import subprocess
import unittest

SIM = os.environ["HOLDFAST_SIM"]
LINE = re.compile(r"^seed (\d+) members (\d) virtual ([\d.]+) s events (\d+) operations (\d+) acknowledged (\d+) "
                  r"unknown (\d+) faults (\d+) snapshots (\d+)/(\d+) members \+(\d+)/-(\d+) digest ([0-9a-f]{16})$")


def run(*flags):
    return subprocess.run([SIM, *flags], capture_output=True, text=True, check=False)


class HoldfastSim(unittest.TestCase):
    def test_same_seed_same_run(self):
        # Two processes: addresses and hash seeds differ, the run may not.
        first, second = run("--seeds=101..104"), run("--seeds=101..104", "--jobs=2")
        self.assertEqual(first.returncode, 0, first.stdout)
        lines = first.stdout.splitlines()
        self.assertEqual(len(lines), 4)
        self.assertEqual(sorted(lines), sorted(second.stdout.splitlines()))
        for line in lines:
            self.assertRegex(line, LINE)
        self.assertEqual(len({LINE.match(line)[13] for line in lines}), 4, "other seeds, other runs")

    def test_trace_changes_nothing(self):
        quiet, traced = run("--seed=11"), run("--seed=11", "--trace")
        self.assertEqual(quiet.stdout, traced.stdout)
        self.assertEqual(quiet.stderr, "")
        self.assertIn("became leader", traced.stderr)

    def test_members_and_hours(self):
        result = run("--seed=7", "--members=4", "--hours=0.02")
        self.assertEqual(result.returncode, 0, result.stdout)
        match = LINE.match(result.stdout.strip())
        self.assertEqual(match[2], "4")
        self.assertGreater(float(match[3]), 72)

    # LEA-08 LEA-13 TRP-25 TRP-27
    def test_no_lease_ends_early(self):
        result = run("--leases", "--seeds=1..12")
        self.assertEqual(result.returncode, 0, result.stdout)
        self.assertEqual(result.stdout, run("--leases", "--seeds=1..12").stdout)

    def test_until(self):
        match = LINE.match(run("--seed=7", "--until=10.5").stdout.strip())
        self.assertEqual(float(match[3]), 10.5)

    def test_bad_flags(self):
        for flags in [[], ["--seed=x"], ["--seeds=5..1"], ["--seed=1", "--members=8"], ["--seed=1", "--hours=0"],
                      ["--seed=1", "--what"], ["--seed=1", "--jobs=0"], ["--seed=1", "--hours=inf"],
                      ["--seed=1", "--until=nan"], ["--seed=1", "--check-history=x"]]:
            result = run(*flags)
            self.assertEqual(result.returncode, 2, flags)
            self.assertIn("usage", result.stderr)
            if flags[1:] and "history" not in flags[1]:
                self.assertIn(flags[1], result.stderr)

    def test_help(self):
        result = run("--help")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertIn("--seeds=A..B", result.stdout)

    def test_the_last_seeds_there_are(self):
        result = run(f"--seeds={2**64 - 2}..{2**64 - 1}", "--until=1")
        self.assertEqual((result.returncode, len(result.stdout.splitlines())), (0, 2))


if __name__ == "__main__":
    unittest.main()
