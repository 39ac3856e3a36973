"""Starts and ends the servers that end-to-end tests talk to: holdfast and, to compare with, Debian's etcd. Servers listen
on free ports of 127.0.0.1, keep their data in temporary folders and are ended by their process id."""
import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools"))
from free_ports import free_ports  # noqa: E402

HOLDFAST = os.environ.get("HOLDFAST_BIN", "build/release/bin/holdfast")


class Server:
    """One member. `binary` is holdfast's or etcd's path; both take the same flags."""

    def __init__(self, binary, *flags, environment=None):
        self.binary, self.flags = binary, list(flags)
        self.environment = {**os.environ, **(environment or {})}
        self.folder = tempfile.mkdtemp(prefix="holdfast-e2e-")
        self.client_port, self.peer_port = free_ports(2)
        self.url = f"http://127.0.0.1:{self.client_port}"
        self.listen_urls = None  # instead of `url`
        self.prefix = []  # of the command
        self.inherited = ()  # files open in the process from its beginning
        self.process = None

    def start(self, patience=30):
        """Waits until the member serves, at most `patience` seconds."""
        peer = f"http://127.0.0.1:{self.peer_port}"
        with open(os.path.join(self.folder, "log"), "ab") as log:
            self.process = subprocess.Popen(
                [*self.prefix, self.binary, "--name", "m", "--data-dir", os.path.join(self.folder, "data"),
                 "--listen-client-urls", self.listen_urls or self.url, "--advertise-client-urls", self.url,
                 "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
                 "--initial-cluster", f"m={peer}", *self.flags],
                stdout=log, stderr=log, env=self.environment, pass_fds=self.inherited)
        end = time.monotonic() + patience
        while time.monotonic() < end and self.process.poll() is None:
            # etcdctl takes its time over a port that nobody listens on.
            if self.listens() and self.etcdctl("endpoint", "health", check=False).returncode == 0:
                return self
            time.sleep(0.02)
        raise RuntimeError("did not start:\n" + self.log()[-3000:])

    def log(self):
        with open(os.path.join(self.folder, "log")) as log:
            return log.read()

    def listens(self):
        return listens(self.client_port)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def etcdctl(self, *arguments, check=True, stdin=None):
        result = subprocess.run(
            ["etcdctl", "--endpoints", self.url, *etcdctl_patience(check), *arguments], input=stdin, capture_output=True,
            text=True, env={**os.environ, "ETCDCTL_API": "3"})
        if check and result.returncode != 0:
            raise AssertionError(f"etcdctl {arguments}: {result.stderr}\n{self.log()[-3000:]}")
        return result

    def json(self, *arguments, **more):
        return json.loads(self.etcdctl(*arguments, "-w", "json", **more).stdout)

    def everything(self):
        """All pairs with their revisions, as etcdctl's JSON has them."""
        return self.json("get", "", "--prefix").get("kvs", [])

    def pairs(self):
        return {base64.b64decode(kv["key"]).decode(): base64.b64decode(kv.get("value", "")).decode()
                for kv in self.everything()}


def etcdctl_patience(must_succeed):
    """What must come about may take its time on a busy machine; who asks whether it has, asks again."""
    return ["--dial-timeout=20s", "--command-timeout=20s"] if must_succeed else ["--command-timeout=5s"]


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True


def have(*programs):
    return all(shutil.which(p) for p in programs)


def version_of(binary):
    """(3, 4, 23); nothing if it isn't there."""
    if not os.path.exists(binary):
        return ()
    line = subprocess.run([binary, "--version"], capture_output=True, text=True).stdout.splitlines()[0]
    return tuple(int(part) for part in line.split()[-1].split("."))
