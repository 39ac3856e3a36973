"""A cluster of members on this machine. Each member may be holdfast or etcd, and may change from one to the other."""
import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request

import harness


class Member:
    """One member's process and its folder, which outlives the process."""

    def __init__(self, cluster, name, binary):
        self.cluster, self.name, self.binary = cluster, name, binary
        self.client_port, self.peer_port = harness.free_ports(2)
        self.scheme, self.host = cluster.peer_scheme, "127.0.0.1"
        self.prefix = []  # of the command
        self.flags = []
        self.bootstrap = None  # flags, instead of --initial-cluster
        self.process = None

    @property
    def url(self):
        return f"http://{self.host}:{self.client_port}"

    @property
    def peer_url(self):
        return f"{self.scheme}://{self.host}:{self.peer_port}"

    @property
    def data_dir(self):
        return os.path.join(self.cluster.folder, self.name)

    @property
    def log_path(self):
        return os.path.join(self.cluster.folder, self.name + ".log")

    def start(self, *flags, state="new"):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [*self.prefix, self.binary, "--name", self.name, "--data-dir", self.data_dir,
                 "--listen-client-urls", self.url, "--advertise-client-urls", self.url,
                 "--listen-peer-urls", self.peer_url, "--initial-advertise-peer-urls", self.peer_url,
                 *(self.bootstrap or ["--initial-cluster", self.cluster.initial_cluster()]),
                 "--initial-cluster-state", state,
                 "--heartbeat-interval=50", "--election-timeout=500", *self.cluster.flags, *self.flags, *flags],
                stdout=log, stderr=log)
        return self

    def start_in_vain(self, *flags, **more):
        """For one that must refuse to start, as etcd does: the end of its log."""
        self.start(*flags, **more)
        harness_wait(lambda: not self.running(), 20, self.log)
        assert self.process.returncode == 1, self.log()
        return self.log()

    def running(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.process.terminate()
        self.process.wait(20)

    def rss(self):
        """Bytes of memory that the process holds."""
        with open(f"/proc/{self.process.pid}/statm") as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def wait_ready(self, seconds=30):
        harness_wait(lambda: self.etcdctl("endpoint", "health", check=False).returncode == 0, seconds,
                     lambda: f"{self.name} is not ready:\n{self.log()}", self)
        return self

    def log(self):
        with open(self.log_path) as f:
            return f.read()[-4000:]

    def has_said(self, text):
        """Whether it stands anywhere in the log."""
        with open(self.log_path) as f:
            return text in f.read()

    def etcdctl(self, *arguments, check=True, stdin=None, timeout=None):
        patience = [f"--command-timeout={timeout}"] if timeout else harness.etcdctl_patience(check)
        result = subprocess.run(
            ["etcdctl", "--endpoints", self.url, *patience, *arguments], input=stdin, capture_output=True, text=True,
            env={**os.environ, "ETCDCTL_API": "3"})
        if check and result.returncode != 0:
            raise AssertionError(f"{self.name}: etcdctl {arguments}: {result.stderr}\n{self.log()}")
        return result

    def json(self, *arguments):
        return json.loads(self.etcdctl(*arguments, "-w", "json").stdout)

    def version_json(self):
        """What the member's /version says."""
        with urllib.request.urlopen(self.url + "/version", timeout=10) as answer:
            return answer.read().decode()

    def put(self, key, value):
        self.etcdctl("put", key, value)

    def get(self, key, *more):
        return self.etcdctl("get", key, "--print-value-only", *more).stdout.strip()

    def status(self):
        return self.json("endpoint", "status")[0]["Status"]

    def id(self):
        return self.status()["header"]["member_id"]

    def hex_id(self):
        return f"{self.id():x}"

    def leads(self):
        status = self.status()
        return status.get("leader") == status["header"]["member_id"]

    def hash_kv(self, revision=0):
        """Of what is applied up to `revision` (0: now), as (hash, revision)."""
        answer = self.json("endpoint", "hashkv", f"--rev={revision}")[0]["HashKV"]
        return answer["hash"], answer["header"]["revision"]


def harness_wait(condition, seconds, describe, member=None):
    """Waits for something that must come about; time is a limit, not an expectation."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end or (member is not None and not member.running()):
            raise AssertionError(describe())
        time.sleep(0.05)


class Cluster:
    def __init__(self, *binaries, flags=(), peer_scheme="http"):
        self.folder = tempfile.mkdtemp(prefix="holdfast-cluster-")
        self.flags, self.peer_scheme = list(flags), peer_scheme
        self.members = []
        for number, binary in enumerate(binaries, 1):
            self.members.append(Member(self, f"m{number}", binary))

    def initial_cluster(self):
        return ",".join(f"{m.name}={m.peer_url}" for m in self.members)

    def start(self):
        for member in self.members:
            member.start()
        for member in self.members:
            member.wait_ready()
        return self

    def close(self):
        # One after the other: a leader that hands over to a member which is leaving too waits for its whole patience.
        for member in self.members:
            if member.running():
                with contextlib.suppress(ProcessLookupError):
                    member.process.send_signal(signal.SIGCONT)
        for member in self.members:
            if member.running():
                member.process.terminate()
                try:
                    member.process.wait(20)
                except subprocess.TimeoutExpired:
                    member.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def leader(self, among=None):
        """The member that leads, when there is one."""
        found = []

        def look():
            for member in among or self.members:
                with contextlib.suppress(AssertionError, IndexError, KeyError, ValueError):
                    if member.running() and member.leads():
                        found.append(member)
                        return True
            return False
        harness_wait(look, 30, lambda: "no leader\n" + "\n".join(m.log() for m in among or self.members))
        return found[0]

    def followers(self):
        leader = self.leader()
        return [m for m in self.members if m is not leader]

    def assert_equal_hashes(self, test, members=None):
        """All members reach the same revision and hash there alike."""
        members = members or self.members
        revision = max(m.hash_kv()[1] for m in members)
        harness_wait(lambda: all(m.hash_kv()[1] >= revision for m in members), 30,
                     lambda: f"not all reach revision {revision}")
        hashes = {m.name: m.hash_kv(revision)[0] for m in members}
        test.assertEqual(len(set(hashes.values())), 1, hashes)
