"""Part of tools/bench: what is measured on clusters of three members, and on a member that joins one. All members run on this
machine, with their default time-outs; load goes to the leader."""
import base64
import concurrent.futures
import contextlib
import http.client
import json
import os
import pathlib
import re
import threading
import time

MEMBERS = 3
KILLS = 3  # of the leader, a round
ATTEMPT_EVERY_SECONDS = 0.01
ATTEMPT_SECONDS_MAX = 3
# A snapshot of 2 GB: 500,000 values of 4 KiB.
LARGE_KEYS, LARGE_VALUE = 500_000, 4096
# The log of a member keeps 5,000 entries (--snapshot-catchup-entries).
SNAPSHOT_KEYS_MIN = 10_000
CATCH_UP_SECONDS_MAX = 300
NAMES = ["cluster-put", "cluster-put-100", "cluster-put-1", "cluster-failover", "catch-up", "catch-up-large"]
LONG = {"catch-up-large"}
ALONE = {"catch-up-large"}
# Clusters take long to start; so that --only cluster ends within five minutes.
ROUNDS_MAX = {"cluster-put": 3, "cluster-put-100": 3, "cluster-put-1": 3, "cluster-failover": 2, "catch-up": 1,
              "catch-up-large": 1}
GROUP = [n for n in NAMES if n not in LONG]  # --only cluster


def text(data):
    return base64.b64encode(data).decode()


def ask(server, path, body, timeout=10):
    """A call of the JSON gateway."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=timeout)
    try:
        connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
        answer = connection.getresponse()
        read = answer.read()
        if answer.status != 200:
            raise OSError(f"{path}: {answer.status} {read[:200]}")
        return json.loads(read)
    finally:
        connection.close()


def leads(server):
    status = ask(server, "/v3/maintenance/status", {}, 2)
    return status.get("leader", "0") == status["header"]["member_id"]


def leader_of(servers, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for server in servers:
            with contextlib.suppress(OSError, ValueError, KeyError, http.client.HTTPException):
                if leads(server):
                    return server
        time.sleep(0.02)
    raise TimeoutError("no leader")


class PeakMemory:
    """The most anonymous memory that a process held while the block ran, in bytes."""

    def __init__(self, server):
        self.server, self.over, self.anonymous = server, threading.Event(), 0

    def __enter__(self):
        self.before = self.server.memory()["RssAnon"]
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        return self

    def run(self):
        while not self.over.is_set():
            with contextlib.suppress(OSError, KeyError):
                self.anonymous = max(self.anonymous, self.server.memory()["RssAnon"])
            self.over.wait(0.005)

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


class ClusterMeasurements:
    """Methods of Bench."""

    @contextlib.contextmanager
    def cluster(self, label, count=MEMBERS):
        servers = [self.new_server(label, f"m{n}") for n in range(1, count + 1)]
        together = ",".join(f"{s.name}={s.peer_url}" for s in servers)
        try:
            for server in servers:
                server.initial_cluster = together
                server.launch()
            for server in servers:
                server.wait_healthy()
            yield servers
        finally:
            # One after the other, so that each leader finds somebody to hand over to.
            for server in servers:
                server.close()

    def measure_cluster_load(self, measurement, label, connections, streams):
        with self.cluster(label) as servers:
            leader = leader_of(servers)
            self.holdfast_bench(measurement + " (before)", leader, "put", "--requests=1000")
            self.h2load(measurement, leader, "Put", "put", 1, 1, 1)
            measure = lambda n: self.h2load(measurement, leader, "Put", "put", connections, streams, n)
            n = self.calibrated(measure, connections * streams)
            self.with_cpu(measurement, label, servers, n, lambda: measure(n))
            if leader_of(servers) is not leader:
                raise self.failure(f"{label}: the leader changed under load")

    def measure_cluster_put(self, label):
        self.measure_cluster_load("cluster-put", label, 10, 50)

    def measure_cluster_put_100(self, label):
        self.measure_cluster_load("cluster-put-100", label, 100, 1)

    def measure_cluster_put_1(self, label):
        with self.cluster(label) as servers:
            put = self.holdfast_bench("cluster-put-1", leader_of(servers), "put", "--connections=1", "--streams=1",
                                      f"--duration={self.args.seconds / 2}s", "--warm-up=200ms")
            self.add("cluster-put-1", "p50", label, put["latency"]["p50"])
            self.add("cluster-put-1", "p99", label, put["latency"]["p99"])

    def measure_cluster_failover(self, label):
        with self.cluster(label) as servers:
            for _ in range(1 if self.args.quick else KILLS):
                leader = leader_of(servers)
                others = [s for s in servers if s is not leader]
                ask(others[0], "/v3/kv/put", {"key": text(b"before"), "value": text(b"")})
                self.add("cluster-failover", "seconds", label, self.seconds_to_write(leader, others))
                leader.launch()
                leader.wait_healthy()

    def seconds_to_write(self, leader, others):
        """From its kill -9: puts are tried all the time, since one that goes to the dead leader is lost for good."""
        succeeded, first = threading.Event(), []

        def attempt(server):
            with contextlib.suppress(OSError, ValueError, http.client.HTTPException):
                ask(server, "/v3/kv/put", {"key": text(b"after"), "value": text(b"")}, ATTEMPT_SECONDS_MAX)
                first.append(time.monotonic())
                succeeded.set()
        pool = concurrent.futures.ThreadPoolExecutor(int(ATTEMPT_SECONDS_MAX / ATTEMPT_EVERY_SECONDS))
        began = time.monotonic()
        leader.kill()
        number = 0
        while not succeeded.is_set() and time.monotonic() < began + 30:
            pool.submit(attempt, others[number % len(others)])
            number += 1
            succeeded.wait(ATTEMPT_EVERY_SECONDS)
        pool.shutdown(wait=False, cancel_futures=True)  # what went to the dead leader waits for its time-out
        if not first:
            raise self.failure(f"{leader.label}: no write for 30 s after the leader was killed")
        return min(first) - began

    def measure_catch_up(self, label):
        self.catch_up("catch-up", label, max(self.args.keys, SNAPSHOT_KEYS_MIN), 256)

    def measure_catch_up_large(self, label):
        self.catch_up("catch-up-large", label, SNAPSHOT_KEYS_MIN if self.args.smoke else LARGE_KEYS,
                      LARGE_VALUE)

    def catch_up(self, measurement, label, keys, value_bytes):
        """A member joins another one that has all the data and keeps little of its log."""
        first, second = self.new_server(label, "m1"), self.new_server(label, "m2")
        with contextlib.ExitStack() as cleanup:
            cleanup.callback(first.close)
            cleanup.callback(second.close)
            first.flags = second.flags = [f"--snapshot-count={min(10_000, keys // 5)}"]
            first.start()
            self.holdfast_bench(measurement, first, "put", "--sequential", f"--requests={keys}", f"--key-space={keys}",
                                "--key-size=64", f"--value-size={value_bytes}", "--timeout=60s")
            time.sleep(self.args.settle * 5)
            # As a learner: a voter would take the first one's quorum until it is there.
            ask(first, "/v3/cluster/member/add", {"peerURLs": [second.peer_url], "isLearner": True})
            target = int(ask(first, "/v3/maintenance/status", {})["raftAppliedIndex"])
            second.initial_cluster, second.state = f"m1={first.peer_url},m2={second.peer_url}", "existing"
            with PeakMemory(first) as sender:
                began = time.monotonic()
                second.launch()
                with PeakMemory(second) as receiver:
                    self.wait_applied(second, target)
                    self.add(measurement, "seconds", label, time.monotonic() - began)
            if "received and saved database snapshot" not in pathlib.Path(second.folder, "log").read_text(errors="replace"):
                raise self.failure(f"{label}: it was caught up without a snapshot")
            total = re.search(r"^etcd_debugging_mvcc_keys_total (\S+)", second.get("/metrics")[1], re.MULTILINE)
            if total and float(total.group(1)) < keys:
                raise self.failure(f"{label}: {total.group(1)} of {keys} keys came over")
            time.sleep(self.args.settle * 5)
            settled = second.memory()["RssAnon"]
            self.add(measurement, "sender", label, (sender.anonymous - sender.before) / 2**20)
            self.add(measurement, "receiver", label, (receiver.anonymous - settled) / 2**20)
            self.add(measurement, "receiver peak", label, receiver.anonymous / 2**20)
            self.add(measurement, "bytes", label, int(ask(second, "/v3/maintenance/status", {})["dbSize"]))

    def wait_applied(self, server, target):
        began = time.monotonic()
        while time.monotonic() - began < CATCH_UP_SECONDS_MAX and server.process.poll() is None:
            with contextlib.suppress(OSError, ValueError, http.client.HTTPException):
                if int(ask(server, "/v3/maintenance/status", {}).get("raftAppliedIndex", 0)) >= target:
                    return
            time.sleep(0.02)
        raise self.failure(f"{server.label}: it does not catch up:\n" +
                           pathlib.Path(server.folder, "log").read_text(errors="replace")[-2000:])

    def cluster_rows(self, rows, compare, forms):
        rate, micro, mebi = forms
        seconds = lambda v: f"{v:.2f} s"
        compare("Cluster of three: Put, 10 x 50", "cluster-put", "rate", rate, 6)
        compare("  CPU time a Put, all members", "cluster-put", "cpu", micro, None, False)
        compare("Cluster of three: Put, 100 x 1", "cluster-put-100", "rate", rate, None)
        compare("  CPU time a Put, all members", "cluster-put-100", "cpu", micro, None, False)
        compare("Cluster of three: Put, 1 x 1, p50", "cluster-put-1", "p50", micro, None, False)
        compare("From kill -9 of the leader to a write", "cluster-failover", "seconds", seconds, None, False)
        compare(f"A member catches up, {max(self.args.keys, SNAPSHOT_KEYS_MIN):,} keys", "catch-up", "seconds", seconds, None, False)
        compare("  its anonymous memory meanwhile, at most", "catch-up", "receiver peak", mebi, None, False)
        compare("  the sender's, above the one before", "catch-up", "sender", mebi, None, False)
        large = {f: self.median("catch-up-large", f, "holdfast") for f in ("seconds", "receiver", "sender", "bytes")}
        if large["bytes"] is not None:
            most = max(large["receiver"], large["sender"])
            rows.append((f"A member catches up, {large['bytes'] / 1e9:.1f} GB", "-", f"{large['seconds']:.1f} s", "-", None, None))
            rows.append(("  anonymous memory besides: receiver, sender", "-",
                         f"{large['receiver']:.0f}, {large['sender']:.0f} MiB", "-", "at most 300 MiB", most <= 300))
