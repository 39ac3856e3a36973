"""A certificate authority for tests under TLS; needs openssl."""
import os
import subprocess
import tempfile


class Authority:
    """A CA and what it signs, in a temporary folder that goes with it."""

    def __init__(self, name="ca"):
        self.folder = tempfile.TemporaryDirectory(prefix="holdfast-tls-")
        self.certificate = self.file("ca.pem")
        self.sh("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                "-subj", f"/CN={name}", "-keyout", self.file("ca.key"), "-out", self.certificate)

    def file(self, name):
        return os.path.join(self.folder.name, name)

    def sh(self, *arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=self.folder.name)

    def issue(self, name, names="IP:127.0.0.1,DNS:localhost", usage="serverAuth,clientAuth",
              kind=("ec", "-pkeyopt", "ec_paramgen_curve:P-256")):
        """The files of a certificate and of its key."""
        with open(self.file("extensions"), "w") as f:
            f.write(f"subjectAltName={names}\nextendedKeyUsage={usage}\n")
        self.sh("req", "-newkey", *kind, "-nodes", "-subj", f"/CN={name}",
                "-keyout", self.file(f"{name}.key"), "-out", self.file(f"{name}.csr"))
        self.sh("x509", "-req", "-in", self.file(f"{name}.csr"), "-CA", self.certificate, "-CAkey",
                self.file("ca.key"), "-CAcreateserial", "-days", "2", "-extfile", self.file("extensions"),
                "-out", self.file(f"{name}.pem"))
        return self.file(f"{name}.pem"), self.file(f"{name}.key")

    def revoke(self, name):
        """The file of a revocation list with that certificate, in DER."""
        open(self.file("index.txt"), "w").close()
        with open(self.file("ca.conf"), "w") as f:
            f.write("[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\ndefault_md=sha256\ndefault_crl_days=2\n")
        flags = ["-config", "ca.conf", "-keyfile", "ca.key", "-cert", "ca.pem"]
        self.sh("ca", *flags, "-revoke", f"{name}.pem")
        self.sh("ca", *flags, "-gencrl", "-out", "crl.pem")
        self.sh("crl", "-in", "crl.pem", "-outform", "DER", "-out", "crl.der")
        return self.file("crl.der")
