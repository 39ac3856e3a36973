"""Clients of real processes under faults, and what they saw, judged: linearizable, nothing acknowledged lost, watches
complete and in order, all members alike. Three members; five, for five minutes, with HOLDFAST_E2E_NIGHTLY=1; another order
with HOLDFAST_E2E_SEED=N. KV-05 RAFT-12..15 RAFT-22 RAL-04 WAT-13 TRP-44"""
import contextlib
import os
import random
import sys
import time
import unittest

import harness
import network
import rpc
from cluster_harness import Cluster

NIGHTLY = bool(os.environ.get("HOLDFAST_E2E_NIGHTLY"))
SEED = int(os.environ.get("HOLDFAST_E2E_SEED", "1"))


class Faults(unittest.TestCase):
    def start(self, count):
        from history import Load
        # Who was away for a while is caught up by a snapshot.
        self.cluster = Cluster(*[harness.HOLDFAST] * count, flags=["--snapshot-count=200", "--snapshot-catchup-entries=50"])
        self.addCleanup(self.cluster.close)
        for number, member in enumerate(self.cluster.members, 1):
            member.number = number
        self.router = network.Router(self.cluster.members)
        self.cluster.start()
        self.random = random.Random(SEED)
        self.load = Load(self.cluster.members, seed=SEED)
        self.addCleanup(self.load.abandon)

    def others(self, *members):
        return [m for m in self.cluster.members if m not in members]

    def minority(self):
        """With the leader in it or not."""
        members = self.random.sample(self.cluster.members, len(self.cluster.members))
        return members[:(len(members) - 1) // 2]

    # Each is on while its block runs.

    @contextlib.contextmanager
    def cut_off(self, members):
        for member in members:
            self.router.cut(member, self.others(*members))
        yield
        self.router.heal()

    def leader_cut_off(self):
        return self.cut_off([self.cluster.leader()])

    def minority_cut_off(self):
        return self.cut_off(self.minority())

    @contextlib.contextmanager
    def deaf(self):
        """Hears nobody, and is heard."""
        deaf = self.random.choice(self.cluster.members)
        for other in self.others(deaf):
            self.router.drop(other, deaf)
        yield
        self.router.heal()

    @contextlib.contextmanager
    def mute_leader(self):
        leader = self.cluster.leader()
        for other in self.others(leader):
            self.router.drop(leader, other)
        yield
        self.router.heal()

    @contextlib.contextmanager
    def slow_links(self):
        members = self.cluster.members if self.random.random() < 0.5 else [self.cluster.leader()]
        how = [self.router.slow(m) for m in members]
        print("delay and loss: " + (how[0] or "left out, the kernel has neither netem nor tbf"), flush=True)
        yield
        for member in members:
            self.router.fast(member)

    @contextlib.contextmanager
    def killed(self, members):
        for member in members:
            member.kill()
        yield
        for member in members:
            member.start()

    def leader_killed(self):
        return self.killed([self.cluster.leader()])

    def minority_killed(self):
        return self.killed(self.minority())

    def all_killed(self):
        return self.killed(self.cluster.members)

    @contextlib.contextmanager
    def paused(self, members):
        for member in members:
            member.pause()
        yield
        for member in members:
            member.resume()

    def leader_paused(self):
        return self.paused([self.cluster.leader()])

    def minority_paused(self):
        return self.paused(self.minority())

    KINDS = (leader_cut_off, minority_cut_off, deaf, mute_leader, slow_links, leader_killed, minority_killed, all_killed,
             leader_paused, minority_paused)

    def under_faults(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for kind in self.random.sample(self.KINDS, len(self.KINDS)):
                if time.monotonic() > end:
                    break
                began = self.load.acknowledged()
                with kind(self):
                    time.sleep(self.random.uniform(0.5, 2))
                print(f"{kind.__name__}: {self.load.acknowledged() - began} answers", flush=True)
                # Whatever it was, the cluster comes back.
                self.load.wait_for_progress()
        self.router.heal()
        for member in self.cluster.members:
            member.wait_ready()
        self.load.finish(self, self.cluster)

    @unittest.skipIf(NIGHTLY, "five members instead")
    def test_three_members(self):
        self.start(3)
        self.under_faults(22)

    @unittest.skipUnless(NIGHTLY, "HOLDFAST_E2E_NIGHTLY is not set")
    def test_five_members(self):
        self.start(5)
        self.under_faults(float(os.environ.get("HOLDFAST_E2E_SECONDS", "300")))


if __name__ == "__main__":
    if rpc.available:
        network.main()
    else:
        print("skipped: protoc or python3-grpcio is not installed", file=sys.stderr)
