#!/usr/bin/env python3
"""raft-transcript as its users call it: what it prints, its exit codes, and files that make no sense."""
import os
import pathlib
import subprocess
import tempfile
import unittest

TOOL = os.environ["RAFT_TRANSCRIPT"]
GOOD = """\
# one node

add-nodes 1 voters=(1) index=3
----
INFO 1 switched to configuration voters=(1)
INFO 1 became follower at term 0
INFO newRaft 1 [peers: [1], term: 0, commit: 3, applied: 3, lastindex: 3, lastterm: 1]

raft-state
----
1: StateFollower (Voter) Term:0 Lead:0
"""
BROKEN = {
    "not a list": ("add-nodes 1 voters=(1\n----\n", "line 1: cannot parse directive"),
    "nobody": ("campaign 1\n----\n", "line 1: campaign: no node 1"),
    "too many": ("\nadd-nodes 1000000000\n----\n", "line 2: add-nodes: at most"),
    "no vote": ("vote cfg=(1) votes=(maybe)\n----\n", "line 1: vote: unknown vote: maybe"),
    "no truth": ("enter-joint autoleave=maybe\nv1\n----\n", "line 1: enter-joint: autoleave"),
    "a panic": ("add-nodes 1 voters=(1) index=3\n----\n\ncampaign 1\n----\n\nstabilize\n----\n\n"
                "propose-conf-change 1\nr1\n----\n\nstabilize\n----\n", "stabilize: raft panicked: removed all voters"),
}


def run(*arguments):
    return subprocess.run([TOOL, *arguments], capture_output=True, text=True, check=False)


class RaftTranscript(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return str(path)

    def test_prints_the_file_with_our_output(self):
        good = self.write("good", GOOD)
        bare = self.write("bare", "".join(line + "\n" for line in GOOD.splitlines() if "INFO" not in line and "1:" not in line))
        for path in good, bare:
            result = run(path)
            self.assertEqual((result.returncode, result.stderr), (0, ""))
            self.assertIn("1: StateFollower (Voter) Term:0 Lead:0", result.stdout)
        self.assertEqual(run(good).stdout, GOOD)

    def test_check(self):
        good, bad = self.write("good", GOOD), self.write("bad", GOOD.replace("Lead:0", "Lead:1"))
        result = run("--check", good)
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "", ""))
        result = run("--check", bad, good)
        self.assertEqual(result.returncode, 1)
        self.assertIn("line 9: raft-state\n-1: StateFollower (Voter) Term:0 Lead:1\n+1: StateFollower (Voter) Term:0 Lead:0\n",
                      result.stdout)
        self.assertNotIn(good, result.stdout)

    def test_files_that_make_no_sense(self):
        for name, (text, why) in BROKEN.items():
            path = self.write(name, text)
            for flags in [], ["--check"]:
                result = run(*flags, path)
                self.assertEqual(result.returncode, 1, name)
                self.assertIn(path + ": ", result.stderr)
                self.assertIn(why, result.stderr)
        for path in str(self.folder / "missing"), str(self.folder):
            result = run("--check", path)
            self.assertEqual((result.returncode, result.stderr), (1, f"{path}: cannot be read\n"))

    def test_usage(self):
        for arguments in [], ["--check"], ["--what", "file"]:
            result = run(*arguments)
            self.assertEqual(result.returncode, 2)
            self.assertIn("usage: raft-transcript [--check] FILE...", result.stderr)
        self.assertEqual(run("--help").returncode, 0)


if __name__ == "__main__":
    unittest.main()
