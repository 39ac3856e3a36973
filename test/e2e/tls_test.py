"""The client port under TLS, through etcdctl, curl and openssl: certificates, client certificates, versions, ciphers,
revocation, replacement while the server runs. HTTP-01 HTTP-02 TLS-01 TLS-02 TLS-03 TLS-04 TLS-06 TLS-07 TLS-09 F-055 F-057 F-058
F-059 F-060 F-061 F-072 F-073"""
import json
import os
import subprocess
import unittest

import harness
from authority import Authority


def run(*arguments, **more):
    return subprocess.run(arguments, capture_output=True, text=True, **more)


class TlsServer(harness.Server):
    """Client URL is https; `client` are etcdctl's flags."""

    def __init__(self, *flags, client=()):
        super().__init__(harness.HOLDFAST, *flags)
        self.url = self.url.replace("http://", "https://")
        self.client = list(client)

    def etcdctl(self, *arguments, **more):
        return super().etcdctl(*self.client, *arguments, **more)


@unittest.skipUnless(harness.have("etcdctl", "openssl", "curl"), "etcdctl, openssl or curl is not installed")
class Tls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.ca = Authority()
        cls.ca.issue("server", "DNS:localhost,IP:127.0.0.1", "serverAuth,clientAuth")
        cls.ca.issue("client", "DNS:good.example", "clientAuth")
        cls.ca.issue("other", "DNS:other.example,IP:10.1.2.3", "clientAuth")
        cls.pair = ["--cert-file", cls.ca.file("server.pem"), "--key-file", cls.ca.file("server.key")]
        cls.trust = ["--cacert", cls.ca.certificate]

    @classmethod
    def tearDownClass(cls):
        cls.ca.folder.cleanup()

    def start(self, *flags, client=()):
        server = TlsServer(*flags, client=client)
        self.addCleanup(server.close)
        return server.start()

    def as_client(self, name):
        return [*self.trust, "--cert", self.ca.file(f"{name}.pem"), "--key", self.ca.file(f"{name}.key")]

    def works(self, server, client):
        server.client = client
        return server.etcdctl("get", "k", check=False).returncode == 0

    def refuses(self, server, client):
        server.client = client
        return server.etcdctl("get", "k", "--command-timeout=1s", check=False).returncode != 0

    # F-055, TLS-01, TLS-07, TRP-66
    def test_server_certificate(self):
        server = self.start(*self.pair, client=self.trust)
        server.etcdctl("put", "k", "v")
        self.assertEqual(server.pairs(), {"k": "v"})
        self.assertTrue(self.refuses(server, []))  # nobody who trusts only the system's CAs
        curl = ["curl", "-s", "-m", "10", "--cacert", self.ca.certificate]
        self.assertEqual(run(*curl, server.url + "/health").stdout, '{"health":"true","reason":""}')
        self.assertEqual(run(*curl, "--http1.1", server.url + "/health").stdout, '{"health":"true","reason":""}')
        self.assertNotEqual(run(*curl, "--tls-max", "1.1", server.url + "/health").returncode, 0)
        self.assertNotEqual(run("curl", "-s", "-m", "10", server.url.replace("https", "http")).returncode, 0)
        # The files are read again for each connection.
        serial = self.serial(server)
        self.ca.issue("server", "DNS:localhost,IP:127.0.0.1", "serverAuth,clientAuth")
        self.assertNotEqual(self.serial(server), serial)
        self.assertTrue(self.works(server, self.trust))

    def serial(self, server):
        shown = run("openssl", "s_client", "-connect", server.url[8:], stdin=subprocess.DEVNULL).stdout
        return run("openssl", "x509", "-noout", "-serial", input=shown).stdout

    def refusals(self, server):
        with open(os.path.join(server.folder, "log")) as f:
            lines = [json.loads(line) for line in f if line.startswith("{")]
        return [line for line in lines if line["msg"] == "rejected connection on client endpoint"]

    # F-057, F-058, F-060, TLS-03, TLS-04; TRP-67: whose address a client's certificate is for doesn't matter here.
    def test_client_certificates(self):
        ca = ["--trusted-ca-file", self.ca.certificate]
        server = self.start(*self.pair, *ca, client=self.as_client("client"))
        self.assertTrue(self.refuses(server, self.trust))
        refusal = self.refusals(server)[-1]
        self.assertEqual(refusal["error"], "tls: client didn't provide a certificate")
        self.assertRegex(refusal["remote-addr"], r"^127\.0\.0\.1:\d+$")
        self.assertEqual(refusal["server-name"], "")
        # TRP-67: with a certificate for another address, which a peer is sent away for (peer_tls_test.py).
        self.assertTrue(self.works(server, self.as_client("other")))
        server.close()
        server = self.start(*self.pair, *ca, "--client-cert-auth", "--client-cert-allowed-hostname",
                            "a.example,good.example", client=self.as_client("client"))
        self.assertTrue(self.refuses(server, self.as_client("other")))
        refusal = self.refusals(server)[-1]
        self.assertEqual((refusal["error"], refusal["dns-names"], refusal["ip-addresses"]),
                         ("client certificate authentication failed", ["other.example"], ["10.1.2.3"]))
        self.assertTrue(self.works(server, self.as_client("client")))
        server.close()
        # Without a CA file it is the system's that count, and ours isn't one of them.
        server = TlsServer(*self.pair, "--client-cert-auth", "--listen-metrics-urls",
                           f"http://127.0.0.1:{harness.free_ports(1)[0]}")
        self.addCleanup(server.close)
        with self.assertRaises(RuntimeError):
            server.client = self.as_client("client")
            server.start(patience=3)

    # F-059, TLS-02
    def test_revoked_client(self):
        self.ca.revoke("other")
        server = self.start(*self.pair, "--trusted-ca-file", self.ca.certificate, "--client-crl-file",
                            self.ca.file("crl.der"), client=self.as_client("client"))
        self.assertTrue(self.refuses(server, self.as_client("other")))
        self.assertRegex(self.refusals(server)[-1]["error"], "^transport: certificate serial [0-9a-f]+ revoked$")
        self.ca.revoke("client")
        self.assertTrue(self.refuses(server, self.as_client("client")))
        self.assertTrue(self.works(server, self.as_client("other")))

    # VD-23, HTTP-02: where gRPC and HTTP have ports of their own, the revocation list holds for both.
    def test_revoked_client_on_ports_of_their_own(self):
        self.ca.revoke("other")
        (http_port,) = harness.free_ports(1)
        server = self.start(*self.pair, "--trusted-ca-file", self.ca.certificate, "--client-crl-file",
                            self.ca.file("crl.der"), "--listen-client-http-urls", f"https://127.0.0.1:{http_port}",
                            client=self.as_client("client"))
        self.assertTrue(self.refuses(server, self.as_client("other")))
        self.assertTrue(self.works(server, self.as_client("client")))
        curl = lambda name: run("curl", "-s", "-m", "10", *self.as_client(name), f"https://127.0.0.1:{http_port}/version")
        self.assertIn("etcdserver", curl("client").stdout)
        self.assertNotEqual(curl("other").returncode, 0)

    # TLS-11
    def test_hosts_are_checked_without_tls_only(self):
        server = TlsServer(*self.pair, "--host-whitelist=good.example", client=self.trust)
        self.addCleanup(server.close)
        plain = server.url.replace("https", "http")
        server.listen_urls = f"{server.url},{plain}"
        server.start()
        asked = lambda url, host: run("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", *self.trust, "-H",
                                      f"Host: {host}", "-d", '{"key": "YQ=="}', url + "/v3/kv/range").stdout
        self.assertEqual(asked(server.url, "evil.example"), "200")
        self.assertEqual(asked(plain, "evil.example"), "421")
        self.assertEqual(asked(plain, "good.example:2379"), "200")

    # F-072, F-073, VD-06
    def test_versions_and_ciphers(self):
        def offer(server, *flags):
            return run("openssl", "s_client", "-connect", server.url[8:], *flags, stdin=subprocess.DEVNULL).stdout

        server = self.start(*self.pair, "--tls-min-version", "TLS1.3", client=self.trust)
        self.assertNotIn("Server certificate", offer(server, "-tls1_2"))
        self.assertIn("TLSv1.3", offer(server, "-tls1_3"))
        server.close()
        server = self.start(*self.pair, "--tls-max-version", "TLS1.2", "--cipher-suites",
                            "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", client=self.trust)
        self.assertNotIn("Server certificate", offer(server, "-tls1_3"))
        self.assertIn("ECDHE-ECDSA-AES256-GCM-SHA384", offer(server, "-tls1_2"))
        self.assertNotIn("Server certificate", offer(server, "-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"))

    # F-061, TLS-06
    def test_auto_tls(self):
        server = self.start("--auto-tls", "--self-signed-cert-validity", "3", client=["--insecure-skip-tls-verify", "--insecure-transport=false"])
        made = os.path.join(server.folder, "data", "fixtures", "client", "cert.pem")
        text = run("openssl", "x509", "-noout", "-text", "-in", made).stdout
        for part in ("O = etcd", "IP Address:127.0.0.1", "secp521r1", "CA:TRUE", "TLS Web Server Authentication"):
            self.assertIn(part, text)
        self.assertEqual(run("openssl", "x509", "-noout", "-checkend", str(2 * 365 * 86400), "-in", made).returncode, 0)
        self.assertTrue(self.works(server, ["--cacert", made]))
        before = self.serial(server)
        server.kill()
        server.start()
        self.assertEqual(self.serial(server), before)

    # HTTP-01
    def test_both_on_one_port(self):
        server = TlsServer(*self.pair, client=self.trust)
        self.addCleanup(server.close)
        server.listen_urls = f"{server.url},{server.url.replace('https', 'http')}"
        server.start()
        server.etcdctl("put", "k", "v")
        plain = run("etcdctl", "--endpoints", server.url.replace("https", "http"), "get", "k", "--print-value-only",
                    env={**os.environ, "ETCDCTL_API": "3"})
        self.assertEqual(plain.stdout, "v\n")

    # TLS-09: a stale socket file is replaced, and ours is gone afterwards.
    def test_unix_sockets(self):
        server = TlsServer(*self.pair, client=self.trust)
        self.addCleanup(server.close)
        plain, secure = os.path.join(server.folder, "plain"), os.path.join(server.folder, "secure")
        server.listen_urls = f"{server.url},unix://{plain},unixs://{secure}"
        server.start()
        server.etcdctl("put", "k", "v")
        got = run("etcdctl", "--endpoints", f"unix://{plain}", "get", "k", "--print-value-only",
                  env={**os.environ, "ETCDCTL_API": "3"})
        self.assertEqual(got.stdout, "v\n", got.stderr)
        health = '{"health":"true","reason":""}'
        curl = ["curl", "-s", "-m", "10", "--cacert", self.ca.certificate, "--unix-socket"]
        self.assertEqual(run(*curl, plain, "http://localhost/health").stdout, health)
        self.assertEqual(run(*curl, secure, "https://localhost/health").stdout, health)
        server.kill()
        self.assertTrue(os.path.exists(plain))
        server.start()
        server.process.terminate()
        server.process.wait(20)
        self.assertFalse(os.path.exists(plain) or os.path.exists(secure))

    def test_refused_at_start(self):
        for flags, text in ((["--cert-file", self.ca.file("server.pem")], "KeyFile and CertFile must both be present"),
                            ([], "TLS key/cert (--cert-file, --key-file) must be provided for client url"),
                            (["--cert-file", "/none", "--key-file", "/none"], "/none"),
                            ([*self.pair, "--cipher-suites", "TLS_NONE"], "unexpected TLS cipher suite"),
                            (["--auto-tls", "--self-signed-cert-validity", "0"], "selfSignedCertValidity is invalid")):
            server = TlsServer(*flags, client=self.trust)
            self.addCleanup(server.close)
            with self.assertRaises(RuntimeError) as caught:
                server.start()
            self.assertIn(text, str(caught.exception).replace("\\", ""))
            self.assertNotEqual(server.process.returncode, 0)


if __name__ == "__main__":
    unittest.main()
