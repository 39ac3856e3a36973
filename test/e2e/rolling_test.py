"""Members of a cluster change from etcd to Holdfast one after the other, and back, while recorded clients work and without
losing what was acknowledged (judged as in faults_test.py); HashKV is equal on all members at each step. By the data
directory (taken over; given back by `holdfastutl migrate`) and by joining with an empty one. Etcd is Debian's 3.4, and also
3.5, 3.6 and 3.7 where HOLDFAST_ETCD_35 and the like name their binaries; to 3.6 it goes back after a downgrade was enabled.
VD-31 VER-07 VER-08 TRP-46 TRP-58 MNT-07"""
import os
import shutil
import subprocess
import sys
import unittest

import harness
import rpc
from cluster_harness import Cluster, harness_wait
from harness import HOLDFAST

UTL = os.path.join(os.path.dirname(HOLDFAST), "holdfastutl")
ETCD_37 = os.environ.get("HOLDFAST_ETCD_37", "")
ETCD_36 = os.environ.get("HOLDFAST_ETCD_36", "")
ETCD_35 = os.environ.get("HOLDFAST_ETCD_35", "")


class Rolling(unittest.TestCase):
    def start(self, binary):
        from history import Load
        # Files of snapshots come and go on the way.
        self.cluster = Cluster(*[binary] * 3, flags=["--snapshot-count=200"])
        self.addCleanup(self.cluster.close)
        for number, member in enumerate(self.cluster.members, 1):
            member.number = number
        self.cluster.start()
        self.load = Load(self.cluster.members, think_seconds=0.02)
        self.addCleanup(self.load.abandon)
        return self.cluster.members

    def works(self):
        self.load.wait_for_progress(30)
        self.cluster.assert_equal_hashes(self)

    # Stopped, and started on its data as the other.
    def change(self, member, binary):
        member.stop()
        if member.binary == HOLDFAST:
            subprocess.run([UTL, "migrate", "--data-dir", member.data_dir], check=True, capture_output=True)
        member.binary = binary
        member.start().wait_ready()
        self.works()

    # Removed, and added with nothing.
    def replace(self, member, binary):
        by = next(m for m in self.cluster.members if m is not member)
        number = member.hex_id()

        def done(*command):
            # While connections are young the cluster takes itself for unhealthy (CLU-04).
            harness_wait(lambda: by.etcdctl("member", *command, check=False).returncode == 0, 30, by.log)
        done("remove", number)
        harness_wait(lambda: not member.running(), 30, member.log)
        shutil.rmtree(member.data_dir)
        done("add", member.name, f"--peer-urls={member.peer_url}")
        member.binary = binary
        member.start(state="existing").wait_ready()
        self.works()

    def version_becomes(self, version):
        harness_wait(lambda: all(f'"etcdcluster":"{version}"' in m.version_json() for m in self.cluster.members), 30,
                     lambda: str([m.version_json() for m in self.cluster.members]))

    def from_an_older_one_and_back_and_for_good(self, etcd, version):
        first, second, third = self.start(etcd)
        self.change(first, HOLDFAST)
        self.replace(second, HOLDFAST)
        self.version_becomes(version)
        # While one of theirs is left the cluster's version lets others of theirs in.
        self.change(first, etcd)
        self.replace(second, etcd)
        for member in (third, second, first):
            self.change(member, HOLDFAST)
        self.version_becomes("3.7.0")
        self.load.finish(self, self.cluster)

    @unittest.skipUnless(harness.have("etcd"), "etcd is not installed")
    def test_from_34(self):
        self.from_an_older_one_and_back_and_for_good("etcd", "3.4.0")

    @unittest.skipUnless(os.access(ETCD_35, os.X_OK), "HOLDFAST_ETCD_35 names no etcd 3.5")
    def test_from_35(self):
        self.from_an_older_one_and_back_and_for_good(ETCD_35, "3.5.0")

    @unittest.skipUnless(os.access(ETCD_37, os.X_OK), "HOLDFAST_ETCD_37 names no etcd 3.7")
    def test_from_37_and_back(self):
        members = self.start(ETCD_37)
        for binary in (HOLDFAST, ETCD_37):
            self.change(members[0], binary)
            self.change(members[1], binary)
            self.replace(members[2], binary)
        self.load.finish(self, self.cluster)

    @unittest.skipUnless(os.access(ETCD_36, os.X_OK), "HOLDFAST_ETCD_36 names no etcd 3.6")
    def test_to_36_and_back(self):
        members = self.start(HOLDFAST)
        self.version_becomes("3.7.0")
        channel = rpc.Client(f"{members[0].host}:{members[0].client_port}")
        self.addCleanup(channel.close)
        # Maintenance.Downgrade(ENABLE, "3.6"): Debian's etcdctl has no such command.
        same = lambda b: b
        channel.channel.unary_unary("/etcdserverpb.Maintenance/Downgrade", same, same)(b"\x08\x01\x12\x033.6", timeout=10)
        self.version_becomes("3.6.0")
        for member in members:
            self.change(member, ETCD_36)
        harness_wait(lambda: any(m.has_said("the cluster has been downgraded") for m in members), 30, members[0].log)
        for member in members:
            self.change(member, HOLDFAST)
        self.version_becomes("3.7.0")
        self.load.finish(self, self.cluster)


if __name__ == "__main__":
    if rpc.available and harness.have("etcdctl"):
        unittest.main()
    else:
        print("skipped: etcdctl, protoc or python3-grpcio is not installed", file=sys.stderr)
