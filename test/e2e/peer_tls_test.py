"""Members that speak TLS to each other, with certificates on both sides; etcd among them where it is installed. TLS-01 TLS-03
RAFT-25"""
import os
import ssl
import subprocess
import tempfile
import unittest
import urllib.request

import harness
from cluster_harness import Cluster


class Authority:
    """A CA in a folder, and the certificates that it gives out."""

    def __init__(self, name):
        self.folder = tempfile.mkdtemp(prefix="holdfast-ca-")
        self.ca = self.path("ca.pem")
        self.openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "2",
                     "-subj", f"/CN={name}")

    def path(self, name):
        return os.path.join(self.folder, name)

    def openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)

    def issue(self, name, san="IP:127.0.0.1,DNS:localhost"):
        with open(self.path("ext"), "w") as f:
            f.write(f"subjectAltName={san}\nextendedKeyUsage=serverAuth,clientAuth\n")
        self.openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj",
                     f"/CN={name}")
        self.openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days",
                     "2", "-extfile", "ext", "-out", f"{name}.pem")
        return self.path(f"{name}.pem"), self.path(f"{name}.key")


@unittest.skipUnless(harness.have("etcdctl", "openssl"), "etcdctl or openssl is not installed")
class PeerTls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.authority = Authority("peers")
        cert, key = cls.authority.issue("member")
        cls.flags = [f"--peer-cert-file={cert}", f"--peer-key-file={key}", "--peer-client-cert-auth",
                     f"--peer-trusted-ca-file={cls.authority.ca}"]

    def start(self, *binaries):
        cluster = Cluster(*binaries, flags=self.flags, peer_scheme="https")
        self.addCleanup(cluster.close)
        return cluster.start()

    def test_replicates_and_fails_over(self):
        cluster = self.start(*[harness.HOLDFAST] * 3)
        leader = cluster.leader()
        leader.etcdctl("put", "k", stdin="x" * 500_000)
        self.assertEqual([len(m.get("k")) for m in cluster.members], [500_000] * 3)
        leader.kill()
        rest = [m for m in cluster.members if m is not leader]
        cluster.leader(rest)
        rest[0].etcdctl("put", "k", "after", timeout="20s")
        leader.start().wait_ready()
        self.assertEqual(leader.get("k"), "after")

        # Who has no certificate of the cluster's is not let in.
        url = cluster.members[0].peer_url + "/members"
        context = ssl.create_default_context(cafile=self.authority.ca)
        with self.assertRaises(OSError):
            urllib.request.urlopen(url, context=context, timeout=10).read()
        context.load_cert_chain(*Authority("others").issue("stranger"))
        with self.assertRaises(OSError):
            urllib.request.urlopen(url, context=context, timeout=10).read()
        context = ssl.create_default_context(cafile=self.authority.ca)
        context.load_cert_chain(*self.authority.issue("friend"))
        self.assertIn(b"peerURLs", urllib.request.urlopen(url, context=context, timeout=10).read())


if __name__ == "__main__":
    unittest.main()
