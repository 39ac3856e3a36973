"""Python's etcd3 (Debian's python3-etcd3, which is PyPI's etcd3) against holdfast: what its users call. KV-02 KV-20 KV-26
TXN-05 TXN-12 WAT-01 WAT-11 LEA-01 LEA-04 CLU-01 MNT-05"""
import contextlib
import os
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import harness  # noqa: E402

try:
    import etcd3
except ImportError:
    etcd3 = None


@unittest.skipUnless(etcd3 and harness.have("etcdctl"), "python3-etcd3 or etcdctl is not installed")
class PythonEtcd3(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = harness.Server(harness.HOLDFAST).start()
        cls.client = etcd3.client(host="127.0.0.1", port=cls.server.client_port)

    @classmethod
    def tearDownClass(cls):
        cls.client.close()
        cls.server.close()

    def setUp(self):
        self.server.etcdctl("del", "", "--prefix")

    def test_put_get_delete(self):
        self.client.put("a", "1")
        value, meta = self.client.get("a")
        self.assertEqual((value, meta.key, meta.version), (b"1", b"a", 1))
        self.assertEqual(self.client.put("a", "2", prev_kv=True).prev_kv.value, b"1")
        self.assertEqual(self.client.get("a")[1].version, 2)
        self.assertTrue(self.client.delete("a"))
        self.assertFalse(self.client.delete("a"))
        self.assertEqual(self.client.get("a"), (None, None))

    def test_ranges(self):
        for i in range(10):
            self.client.put(f"/p/{i}", str(9 - i))
        self.client.put("/q", "x")
        self.assertEqual([v for v, _ in self.client.get_prefix("/p/")], [str(9 - i).encode() for i in range(10)])
        self.assertEqual([m.key for _, m in self.client.get_prefix("/p/", sort_order="descend", sort_target="key")],
                         [f"/p/{i}".encode() for i in reversed(range(10))])
        self.assertEqual([v for v, _ in self.client.get_prefix("/p/", sort_order="ascend", sort_target="value")],
                         [str(i).encode() for i in range(10)])
        self.assertEqual([m.key for _, m in self.client.get_range("/p/3", "/p/5")], [b"/p/3", b"/p/4"])
        self.assertEqual(len(list(self.client.get_all())), 11)
        self.assertEqual(self.client.delete_prefix("/p/").deleted, 10)

    def test_transactions(self):
        t = self.client.transactions
        ok, answers = self.client.transaction(
            compare=[t.version("a") == 0], success=[t.put("a", "1"), t.get("a")], failure=[t.delete("a")])
        self.assertTrue(ok)
        self.assertEqual(answers[1][0][0], b"1")
        ok, answers = self.client.transaction(
            compare=[t.value("a") == "1", t.mod("a") > 1, t.create("a") > 0],
            success=[t.txn(compare=[t.value("a") != "1"], success=[], failure=[t.put("b", "2")])], failure=[])
        self.assertTrue(ok)
        self.assertEqual(self.client.get("b")[0], b"2")
        self.assertTrue(self.client.replace("a", "1", "3"))
        self.assertFalse(self.client.replace("a", "1", "4"))
        self.assertTrue(self.client.put_if_not_exists("c", "1"))
        self.assertFalse(self.client.put_if_not_exists("c", "2"))

    def test_leases(self):
        lease = self.client.lease(1000)
        self.client.put("a", "1", lease=lease)
        self.assertEqual(self.client.get("a")[1].lease_id, lease.id)
        lease.revoke()
        self.assertEqual(self.client.get("a"), (None, None))

    def test_lease_is_kept_alive(self):
        lease = self.client.lease(2)
        self.client.put("kept", "1", lease=lease)
        end = time.monotonic() + 5
        while time.monotonic() < end:
            self.assertEqual(lease.refresh()[0].TTL, 2)
            time.sleep(0.4)
        self.assertEqual(self.client.get("kept")[0], b"1")
        self.assertEqual((lease.granted_ttl, lease.keys), (2, [b"kept"]))
        while self.client.get("kept")[0] is not None:  # nobody keeps it any more
            time.sleep(0.1)
        self.assertEqual(lease.remaining_ttl, -1)

    # Who finds it taken can't wait: this client and Debian's tenacity disagree on the arguments of a wait function.
    def test_lock(self):
        one, two = self.client.lock("name", ttl=20), self.client.lock("name", ttl=20)
        self.assertTrue(one.acquire())
        with contextlib.suppress(TypeError):
            self.assertFalse(two.acquire(timeout=1))
        self.assertTrue(one.is_acquired())
        self.assertFalse(two.is_acquired())
        self.assertEqual(one.refresh()[0].TTL, 20)
        self.assertTrue(one.release())
        self.assertTrue(two.acquire())
        two.lease.revoke()
        with self.client.lock("name", ttl=20) as three:
            self.assertTrue(three.is_acquired())
        self.assertEqual(self.client.get("/locks/name"), (None, None))

    def test_watch(self):
        seen = []
        done = threading.Event()

        def note(response):
            seen.extend((type(event).__name__, event.key, event.value) for event in response.events)
            if len(seen) >= 3:
                done.set()

        watch = self.client.add_watch_prefix_callback("/w/", note)
        self.client.put("/w/a", "1")
        self.client.put("/other", "1")
        self.client.put("/w/b", "2")
        self.client.delete("/w/a")
        self.assertTrue(done.wait(20))
        self.client.cancel_watch(watch)
        self.assertEqual(seen, [("PutEvent", b"/w/a", b"1"), ("PutEvent", b"/w/b", b"2"), ("DeleteEvent", b"/w/a", b"")])
        # From the past.
        revision = self.client.get("/w/b")[1].mod_revision
        events, cancel = self.client.watch("/w/b", start_revision=revision)
        self.assertEqual(next(events).value, b"2")
        cancel()
        with self.assertRaises(etcd3.exceptions.RevisionCompactedError):
            self.client.compact(self.client.put("x", "y").header.revision)
            events, cancel = self.client.watch("/w/b", start_revision=1)
            next(events)

    def test_maintenance(self):
        self.assertEqual([m.client_urls for m in self.client.members], [[self.server.url]])
        self.assertEqual(self.client.status().version, "3.7.1")
        self.assertEqual(list(self.client.list_alarms()), [])
        self.client.defragment()
        self.client.hash()
        self.client.put("a", "1")
        revision = self.client.get("a")[1].mod_revision
        self.client.put("a", "2")
        self.client.compact(revision, physical=True)
        self.assertEqual(self.client.get("a")[0], b"2")

    def test_large_values(self):
        value = os.urandom(1 << 20)
        self.client.put("big", value)
        self.assertEqual(self.client.get("big")[0], value)


@unittest.skipUnless(etcd3 and harness.have("etcdctl"), "python3-etcd3 or etcdctl is not installed")
class Restart(unittest.TestCase):
    # CLI-14: this client doesn't resume a watch by itself; its user does, at the revision after the last one seen.
    def test_a_killed_server_comes_back(self):
        server = harness.Server(harness.HOLDFAST).start()
        self.addCleanup(server.close)
        client = etcd3.client(host="127.0.0.1", port=server.client_port, timeout=10)
        self.addCleanup(client.close)
        lease = client.lease(60)
        client.put("leased", "1", lease=lease)
        events, cancel = client.watch_prefix("w/")
        seen = []
        for i in range(5):
            client.put(f"w/{i}", "before")
            seen.append(next(events))
        server.kill()
        with self.assertRaises(etcd3.exceptions.ConnectionFailedError):
            next(events)
        server.start()
        other = etcd3.client(host="127.0.0.1", port=server.client_port)
        self.addCleanup(other.close)
        for i in range(5):
            other.put(f"w/{i}", "after")
        again, cancel = other.watch_prefix("w/", start_revision=seen[-1].mod_revision + 1)
        seen += [next(again) for _ in range(5)]
        cancel()
        self.assertEqual([e.value for e in seen], [b"before"] * 5 + [b"after"] * 5)
        self.assertEqual([e.version for e in seen], [1] * 5 + [2] * 5)
        self.assertEqual(other.get("leased")[1].lease_id, lease.id)
        self.assertEqual(list(other.refresh_lease(lease.id))[0].TTL, 60)
        self.assertEqual(client.get("leased")[0], b"1")  # the old connection came back by itself


if __name__ == "__main__":
    unittest.main()
