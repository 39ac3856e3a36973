"""Members that speak TLS to each other, with certificates on both sides; and who is let in. TLS-01..06 RAFT-25"""
import os
import socket
import ssl
import unittest
import urllib.request

import harness
from authority import Authority
from cluster_harness import Cluster, harness_wait


@unittest.skipUnless(harness.have("etcdctl", "openssl"), "etcdctl or openssl is not installed")
class PeerTls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.authority = Authority("peers")
        cert, key = cls.authority.issue("member")
        cls.flags = [f"--peer-cert-file={cert}", f"--peer-key-file={key}", "--peer-client-cert-auth",
                     f"--peer-trusted-ca-file={cls.authority.certificate}"]

    @classmethod
    def tearDownClass(cls):
        cls.authority.folder.cleanup()

    def start(self, *binaries, flags=None):
        cluster = Cluster(*binaries, flags=self.flags if flags is None else flags, peer_scheme="https")
        self.addCleanup(cluster.close)
        return cluster.start()

    def may_ask(self, member, certificate=None, authority=None):
        """Does the peer port answer somebody with this certificate?"""
        context = ssl.create_default_context(cafile=(authority or self.authority).certificate)
        if certificate:
            context.load_cert_chain(*certificate)
        try:
            return b"peerURLs" in urllib.request.urlopen(member.peer_url + "/members", context=context, timeout=10).read()
        except OSError:
            return False

    def test_replicates_and_fails_over(self):
        cluster = self.start(*[harness.HOLDFAST] * 3)
        leader = cluster.leader()
        leader.etcdctl("put", "k", stdin="x" * 500_000)
        self.assertEqual([len(m.get("k")) for m in cluster.members], [500_000] * 3)
        leader.kill()
        rest = [m for m in cluster.members if m is not leader]
        cluster.leader(rest)
        rest[0].etcdctl("put", "k", "after")
        leader.start().wait_ready()
        self.assertEqual(leader.get("k"), "after")

    # TLS-02 TLS-03 TLS-04 TLS-05 VD-06 (lists of names)
    def test_who_is_let_in(self):
        authority = self.authority
        authority.issue("member")
        authority.issue("revoked")
        crl = authority.revoke("revoked")
        member = self.start(harness.HOLDFAST, flags=[*self.flags, "--peer-cert-allowed-cn=member,friend,elsewhere,named,revoked",
                                                     f"--peer-crl-file={crl}"]).members[0]
        self.assertFalse(self.may_ask(member))
        others = Authority("others")
        self.addCleanup(others.folder.cleanup)
        self.assertFalse(self.may_ask(member, others.issue("friend")))
        self.assertFalse(self.may_ask(member, authority.issue("stranger")))
        self.assertFalse(self.may_ask(member, (authority.file("revoked.pem"), authority.file("revoked.key"))))
        self.assertTrue(self.may_ask(member, authority.issue("friend")))
        # TRP-67: a certificate for another address, and for names that the address has or has not.
        self.assertFalse(self.may_ask(member, authority.issue("elsewhere", "IP:10.1.2.3")))
        self.assertTrue(self.may_ask(member, authority.issue("named", "DNS:localhost")))
        self.assertFalse(self.may_ask(member, authority.issue("named", "DNS:no-such-host.invalid,IP:10.1.2.3")))
        for error in ("tls: client didn't provide a certificate",
                      "tls: failed to verify certificate: x509: certificate signed by unknown authority",
                      "client certificate authentication failed", "revoked",
                      "x509: certificate is valid for 10.1.2.3, not 127.0.0.1",
                      r'tls: \"127.0.0.1\" does not match any of DNSNames [\"no-such-host.invalid\"]'):
            self.assertIn(error, "".join(line for line in open(member.log_path)
                                         if "rejected connection on peer endpoint" in line))

    # FG-07: a member that says where it comes from is let in where its certificate is for that address alone.
    def test_local_address(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            try:
                s.connect(("198.51.100.1", 9))  # sends nothing
                here = s.getsockname()[0]
            except OSError:
                here = "127.0.0.1"
        if here.startswith("127."):
            self.skipTest("no address but the loopback's")
        cluster = Cluster(*[harness.HOLDFAST] * 3, flags=["--peer-client-cert-auth", f"--peer-trusted-ca-file={self.authority.certificate}"],
                          peer_scheme="https")
        self.addCleanup(cluster.close)
        first, *others = cluster.members
        for member in cluster.members:
            if member in others:
                member.host = here
            cert, key = self.authority.issue("at-" + member.host, f"IP:{member.host}")
            member.flags = [f"--peer-cert-file={cert}", f"--peer-key-file={key}"]
            if member in others:
                member.flags.append("--feature-gates=SetMemberLocalAddr=true")
        cluster.start()
        first.put("k", "v")
        self.assertEqual([m.get("k") for m in cluster.members], ["v"] * 3)
        self.assertFalse(first.has_said("rejected connection on peer endpoint"), first.log())
        # To them it comes from where they are: it has no such gate.
        for member in others:
            harness_wait(lambda: member.has_said(f"x509: certificate is valid for 127.0.0.1, not {here}"), 20, member.log)

    # TLS-06
    def test_certificates_of_their_own(self):
        cluster = self.start(*[harness.HOLDFAST] * 3, flags=["--peer-auto-tls"])
        cluster.members[0].put("k", "v")
        self.assertEqual([m.get("k") for m in cluster.members], ["v"] * 3)
        for member in cluster.members:
            self.assertTrue(os.path.exists(os.path.join(member.data_dir, "fixtures", "peer", "cert.pem")))

    # TLS-09: "host:port" is the name of a file then, for etcd as for us.
    def start_by_socket_files(self, scheme, *binaries, flags=()):
        cluster = Cluster(*map(os.path.abspath, binaries), flags=flags, peer_scheme=scheme)
        self.addCleanup(cluster.close)
        for member in cluster.members:
            member.prefix = ["env", "-C", cluster.folder]
        return cluster.start()

    def check_by_socket_files(self, cluster):
        first, second, third = cluster.members
        first.put("k", "v")
        self.assertEqual([m.get("k") for m in cluster.members], ["v"] * 3)
        third.kill()
        cluster.leader([first, second])
        first.put("k", "w")
        third.start().wait_ready()  # where its stale file lies
        self.assertEqual(third.get("k"), "w")
        cluster.assert_equal_hashes(self)
        socket = os.path.join(cluster.folder, f"127.0.0.1:{first.peer_port}")
        self.assertTrue(os.path.exists(socket))
        first.stop()
        self.assertFalse(os.path.exists(socket))

    def test_by_socket_files_with_tls(self):
        self.check_by_socket_files(
            self.start_by_socket_files("unixs", *[harness.HOLDFAST] * 3, flags=self.flags))

    @unittest.skipUnless(os.path.exists("/work/.ref/bin/etcd"), "no etcd 3.7")
    def test_by_socket_files_with_etcd(self):
        self.check_by_socket_files(
            self.start_by_socket_files("unix", harness.HOLDFAST, harness.HOLDFAST, "/work/.ref/bin/etcd"))


if __name__ == "__main__":
    unittest.main()
