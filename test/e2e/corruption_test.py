"""A member whose data were altered behind its back is noticed by the others. OPS-14 MNT-02 MNT-03 FG-03 FG-04 F-095 F-096"""
import unittest

import harness
from cluster_harness import Cluster, harness_wait

WRITTEN, ALTERED = b"as-it-was-written", b"as-somebody-made-it"[:17]


def alter(member):
    """As a broken disk or a wrong restore would."""
    path = f"{member.data_dir}/member/snap/holdfast.lmdb"
    with open(path, "r+b") as database:
        data = database.read()
        assert WRITTEN in data
        database.seek(0)
        database.write(data.replace(WRITTEN, ALTERED))


@unittest.skipUnless(harness.have("etcdctl"), "etcdctl is not installed")
class Corruption(unittest.TestCase):
    def start(self, *flags):
        cluster = Cluster(*[harness.HOLDFAST] * 3, flags=flags).start()
        self.addCleanup(cluster.close)
        leader, victim = cluster.leader(), cluster.followers()[0]
        for number in range(5):
            leader.put(f"key-{number}", str(number))
        leader.put("altered", WRITTEN.decode())
        victim.get("altered")  # applied there
        return cluster, leader, victim

    def wait_for_alarm(self, leader, victim_id):
        def text():
            return leader.etcdctl("alarm", "list").stdout
        harness_wait(lambda: f"memberID:{victim_id} alarm:CORRUPT" in text(), 30, text)
        refused = leader.etcdctl("put", "a", "b", check=False)
        self.assertIn("etcdserver: corrupt cluster", refused.stderr)
        self.assertEqual(leader.get("key-1"), "1", "reads go on")

    def test_the_data_are_compared_at_start_and_while_serving(self):
        _, leader, victim = self.start("--corrupt-check-time=1s")
        victim_id = victim.id()
        victim.stop()
        alter(victim)
        victim.start("--feature-gates=InitialCorruptCheck=true")
        self.assertNotEqual(victim.process.wait(30), 0)
        self.assertIn(f"{victim_id:x} found data inconsistency with peers", victim.log())
        self.assertEqual(leader.etcdctl("alarm", "list").stdout, "")
        leader.put("still", "served")

        victim.start().wait_ready()
        self.wait_for_alarm(leader, victim_id)

    def test_a_sound_member_passes_and_compactions_are_compared(self):
        _, leader, victim = self.start("--feature-gates=InitialCorruptCheck=true,CompactHashCheck=true",
                                       "--compact-hash-check-time=1s")
        victim_id = victim.id()
        victim.stop()
        victim.start().wait_ready()
        with open(victim.log_path) as log:
            self.assertIn("initial corruption checking passed", log.read())
        victim.stop()
        alter(victim)
        victim.start("--feature-gates=InitialCorruptCheck=false").wait_ready()
        leader.put("key-1", "1")
        leader.etcdctl("compaction", str(leader.status()["header"]["revision"]))
        self.wait_for_alarm(leader, victim_id)


if __name__ == "__main__":
    unittest.main()
