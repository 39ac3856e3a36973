"""Members come and go, lose their leader, their data or the room on their disk, while recorded clients work; what they saw is
judged as in faults_test.py. MEM-12 MEM-14 CLU-01 CLU-03 CLU-05 CLU-07 OPS-11"""
import os
import shutil
import sys
import unittest

import harness
import network
import rpc
from cluster_harness import Cluster, Member, harness_wait


class Changes(unittest.TestCase):
    def setUp(self):
        network.sh("ip link set lo up")
        self.cluster = Cluster(*[harness.HOLDFAST] * 3, flags=["--snapshot-count=500", "--snapshot-catchup-entries=100"])
        self.addCleanup(self.cluster.close)
        for member in self.cluster.members:
            self.numbered(member)

    def numbered(self, member):
        self.count = member.number = getattr(self, "count", 0) + 1
        return member

    def start(self):
        from history import Load
        self.cluster.start()
        self.load = Load(self.cluster.members, think_seconds=0.01)
        self.addCleanup(self.load.abandon)

    def clients_use(self, members):
        self.load.members = list(members)
        self.load.wait_for_progress()

    def etcdctl(self, member, *arguments):
        """Until it goes through: while members come and go the cluster refuses for a while (CLU-04)."""
        end = []

        def done():
            end[:] = [member.etcdctl(*arguments, check=False)]
            return end[0].returncode == 0
        harness_wait(done, 40, lambda: f"{arguments}: {end[0].stderr}")
        return end[0].stdout

    def id_of(self, by, member):
        lines = [line.split(", ") for line in by.etcdctl("member", "list").stdout.splitlines()]
        return next(fields[0] for fields in lines if member.peer_url in fields)

    def listed(self, by):
        return sorted(line.split(", ")[3] for line in by.etcdctl("member", "list").stdout.splitlines())

    def remove(self, by, member):
        number = self.id_of(by, member)
        self.etcdctl(by, "member", "remove", number)
        self.cluster.members.remove(member)
        self.assertEqual(member.process.wait(20), 0, member.log())

    def test_members_change_under_load(self):
        self.start()
        members = self.cluster.members
        first = members[0]
        # A learner joins; the leader is killed before it is promoted.
        learner = self.numbered(Member(self.cluster, "m4", harness.HOLDFAST))
        self.etcdctl(first, "member", "add", learner.name, "--learner", f"--peer-urls={learner.peer_url}")
        members.append(learner)
        learner.start(state="existing")
        voters = members[:3]
        leader = self.cluster.leader(voters)
        leader.kill()
        by = next(m for m in voters if m is not leader)
        self.clients_use(voters)
        leader.start()
        self.etcdctl(by, "member", "promote", self.id_of(by, learner))
        learner.wait_ready()
        self.clients_use(members)
        # A follower goes, then the leader, with a client or two in the middle of something.
        gone = self.cluster.followers()[0]
        by = next(m for m in members if m is not gone)
        self.remove(by, gone)
        self.clients_use(members)
        leader = self.cluster.leader()
        by = next(m for m in members if m is not leader)
        self.remove(by, leader)
        self.clients_use(members)
        self.assertEqual(self.listed(by), sorted(m.peer_url for m in members))
        # Two are left; a third one grows in.
        fresh = self.numbered(Member(self.cluster, "m5", harness.HOLDFAST))
        self.etcdctl(by, "member", "add", fresh.name, f"--peer-urls={fresh.peer_url}")
        members.append(fresh)
        fresh.start(state="existing").wait_ready()
        self.clients_use(members)
        self.load.finish(self, self.cluster)

    def test_a_member_with_a_wiped_disk_is_replaced_under_load(self):
        self.start()
        lost = self.cluster.leader()
        by = next(m for m in self.cluster.members if m is not lost)
        number = self.id_of(by, lost)
        lost.kill()
        shutil.rmtree(lost.data_dir)
        rest = [m for m in self.cluster.members if m is not lost]
        self.clients_use(rest)
        # More than the log keeps: it is caught up by a snapshot.
        self.load.wait_for_progress(900)
        self.etcdctl(by, "member", "remove", number)
        self.etcdctl(by, "member", "add", lost.name, f"--peer-urls={lost.peer_url}")
        lost.start(state="existing").wait_ready()
        with open(lost.log_path) as log:
            text = log.read()
        self.assertIn("applied snapshot", text)
        # Its name may have come to it inside the snapshot: that counts, too.
        self.assertNotIn("failed to publish", text)
        self.clients_use(self.cluster.members)
        self.load.finish(self, self.cluster)

    def test_a_full_disk_ends_its_member_and_no_other(self):
        full = self.cluster.members[1]
        os.mkdir(full.data_dir, 0o700)
        if network.sh(f"mount -t tmpfs -o size=400m none {full.data_dir}", check=False).returncode != 0:
            self.skipTest("no tmpfs can be mounted")
        self.addCleanup(network.sh, f"umount -l {full.data_dir}", check=False)
        self.start()
        rest = [m for m in self.cluster.members if m is not full]
        ballast = os.path.join(full.data_dir, "ballast")
        room = os.statvfs(full.data_dir)
        with open(ballast, "wb") as f:
            os.posix_fallocate(f.fileno(), 0, room.f_bavail * room.f_frsize - 2**20)
        value = "x" * 500_000
        for number in range(300):
            if not full.running():
                break
            # If the full one leads, the put that meets its end has no answer.
            rest[0].etcdctl("put", f"ballast{number % 10}", stdin=value, timeout="20s", check=False)
        self.assertIsNotNone(full.process.poll(), "the member lives on without a disk")
        self.assertNotEqual(full.process.poll(), 0)
        self.assertIn("no space left on device", full.log().lower())
        self.clients_use(rest)
        # With room again, it comes back.
        os.unlink(ballast)
        full.start().wait_ready()
        self.clients_use(self.cluster.members)
        self.load.end()
        self.cluster.assert_equal_hashes(self)


if __name__ == "__main__":
    if rpc.available:
        network.main()
    else:
        print("skipped: protoc or python3-grpcio is not installed", file=sys.stderr)
