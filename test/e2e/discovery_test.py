"""Members that know only a token find each other through a cluster of Holdfast's or of etcd's.
OPS-02 OPS-03 MEM-13 F-036..F-046"""
import os
import unittest

import harness
from authority import Authority
from cluster_harness import Cluster, harness_wait

ETCD_34, ETCD_37 = "/usr/bin/etcd", "/work/.ref/bin/etcd"


@unittest.skipUnless(harness.have("etcdctl"), "etcdctl is not installed")
class Discovery(unittest.TestCase):
    def meet(self, binary, size, token="t/1"):
        """A service, and a cluster whose members know only its token."""
        service = harness.Server(binary)
        self.addCleanup(service.close)
        service.start()
        service.etcdctl("put", f"/_etcd/registry/{token}/_config/size", str(size))
        cluster = Cluster(*[harness.HOLDFAST] * 3)
        self.addCleanup(cluster.close)
        for member in cluster.members:
            member.bootstrap = ["--discovery-endpoints", f"127.0.0.1:1,{service.url}", "--discovery-token", token]
        return service, cluster

    def form(self, binary):
        service, cluster = self.meet(binary, 2)
        first, second, late = cluster.members
        first.start()
        registered = ["get", "/_etcd/registry/t/1/members", "--prefix", "--print-value-only"]
        harness_wait(lambda: first.peer_url in service.etcdctl(*registered).stdout, 20, first.log, first)
        harness_wait(lambda: first.has_said("waiting for peers from discovery service"), 20, first.log, first)
        second.start()
        for member in (first, second):
            member.wait_ready()
        first.put("k", "v")
        self.assertEqual(second.get("k"), "v")
        self.assertEqual({m["name"] for m in second.json("member", "list")["members"]}, {"m1", "m2"})
        log = late.start_in_vain()
        self.assertIn("failed to join discovery cluster (discovery: cluster is full)", log)
        self.assertIn("do not reuse discovery token", log)
        # MEM-13: who has been there asks nobody.
        service.kill()
        first.kill()
        first.start().wait_ready()
        self.assertTrue(first.has_said("discovery token is ignored since cluster already initialized"))
        self.assertEqual(first.get("k"), "v")

    def test_through_holdfast(self):
        self.form(harness.HOLDFAST)

    @unittest.skipUnless(os.path.exists(ETCD_34), "no etcd")
    def test_through_etcd_34(self):
        self.form(ETCD_34)

    @unittest.skipUnless(os.path.exists(ETCD_37), "no etcd 3.7")
    def test_through_etcd_37_with_one_of_its_members(self):
        service, cluster = self.meet(ETCD_37, 2)
        ours, theirs, _ = cluster.members
        theirs.binary = ETCD_37
        ours.start()
        theirs.start()
        for member in (ours, theirs):
            member.wait_ready()
        theirs.put("k", "v")
        self.assertEqual(ours.get("k"), "v")
        self.assertEqual(ours.hash_kv(), theirs.hash_kv())

    def test_what_is_missing_is_named(self):
        _, cluster = self.meet(harness.HOLDFAST, 0)
        self.assertIn("failed to join discovery cluster (discovery: size key is bad)",
                      cluster.members[0].start_in_vain())
        cluster.members[1].bootstrap[-1] = "another"
        self.assertIn("discovery: size key not found", cluster.members[1].start_in_vain())
        self.assertIn("discovery URL should not be set when joining existing initial cluster",
                      cluster.members[2].start_in_vain(state="existing"))

    def test_stops_while_it_waits(self):
        _, cluster = self.meet(harness.HOLDFAST, 3)
        member = cluster.members[0].start()
        harness_wait(lambda: "waiting for peers" in member.log(), 20, member.log, member)
        member.stop()

    @unittest.skipUnless(os.path.exists(ETCD_34) and harness.have("openssl"), "no etcd or openssl")
    def test_with_tls_and_a_user(self):
        authority = Authority()
        self.addCleanup(authority.folder.cleanup)
        certificate, key = authority.issue("server")
        service = harness.Server(ETCD_34, "--cert-file", certificate, "--key-file", key,
                                 "--trusted-ca-file", authority.certificate)
        self.addCleanup(service.close)
        certificate, key = authority.issue("client")
        service.url = service.url.replace("http:", "https:")
        service.listen_urls = service.url
        plain = service.etcdctl
        service.etcdctl = lambda *arguments, **more: plain(
            "--cacert", authority.certificate, "--cert", certificate, "--key", key, *arguments, **more)
        service.start()
        service.etcdctl("put", "/_etcd/registry/t/_config/size", "1")
        service.etcdctl("user", "add", "root:secret")
        service.etcdctl("auth", "enable")
        cluster = Cluster(*[harness.HOLDFAST] * 3)
        self.addCleanup(cluster.close)
        flags = ["--discovery-endpoints", service.url, "--discovery-token", "t", "--discovery-cacert",
                 authority.certificate, "--discovery-cert", certificate, "--discovery-key", key,
                 "--discovery-insecure-transport=false"]
        for member, user in zip(cluster.members, (["--discovery-user", "root", "--discovery-password", "secret"],
                                                  ["--discovery-user", "root:wrong"], [])):
            member.bootstrap = flags + user
        wrong, nobody = cluster.members[1:]
        self.assertIn("etcdserver: authentication failed, invalid user ID or password", wrong.start_in_vain())
        cluster.members[0].start().wait_ready()
        nobody.start()
        harness_wait(lambda: "etcdserver: user name is empty" in nobody.log(), 20, nobody.log, nobody)


if __name__ == "__main__":
    unittest.main()
