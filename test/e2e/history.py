"""Clients that write, read, compare and watch a few keys through all members of a cluster, and record what they saw; and
the judgement of it all by holdfast-sim (the file's format: src/sim/history_file.h)."""
import os
import random
import subprocess
import tempfile
import threading
import time

import harness
from cluster_harness import harness_wait
from rpc import Client, grpc, pb

SIM = os.environ.get("HOLDFAST_SIM", os.path.join(os.path.dirname(harness.HOLDFAST), "holdfast-sim"))
KEYS = [f"k{i}".encode() for i in range(5)]
OPERATION_SECONDS_MAX = 1.5
QUICK = {"grpc.initial_reconnect_backoff_ms": 100, "grpc.max_reconnect_backoff_ms": 300,
         "grpc.min_reconnect_backoff_ms": 300, "grpc.use_local_subchannel_pool": 1}
# Refused before anything was proposed.
CERTAIN = ("etcdserver: too many requests", "etcdserver: request is too large", "etcdserver: mvcc: database space exceeded")


def text(data):
    return data.hex() or "-"


class Recorder:
    """Lines of the history. Steps are numbers of one counter."""

    def __init__(self):
        self.lock, self.step, self.lines = threading.Lock(), 0, []
        self.counts = {}

    def next_step(self):
        with self.lock:
            self.step += 1
            return self.step

    def add(self, *fields):
        with self.lock:
            self.lines.append(" ".join(str(f) for f in fields) + "\n")

    def call(self, client_id, number, client, method, request, seconds=OPERATION_SECONDS_MAX):
        """Makes the call, records it and returns the answer, or nothing."""
        writes = method != "Range"
        invoked = self.next_step()
        try:
            response, outcome = client.call(method, request, timeout=seconds), "ok"
        except grpc.RpcError as error:
            response = None
            outcome = "unknown" if writes and error.details() not in CERTAIN else "refused"
        returned = "-" if outcome == "unknown" else self.next_step()
        answer = text(response.SerializeToString()) if response is not None else "-"
        self.add("operation", client_id, number, invoked, returned, outcome, method,
                 text(request.SerializeToString()), answer)
        with self.lock:
            self.counts[outcome] = self.counts.get(outcome, 0) + 1
        return response


class Worker:
    """One after the other: operations through some member, another one every few calls or after an error."""

    def __init__(self, load, client_id, seed):
        self.load, self.id, self.random = load, client_id, random.Random(seed)
        self.number, self.seen = 0, {}
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def value(self):
        self.number += 1
        return f"{self.id}.{self.number}".encode()

    def put(self, key):
        return pb.PutRequest(key=key, value=self.value(), prev_kv=self.random.random() < 0.2)

    def draw(self):
        key, kind = self.random.choice(KEYS), self.random.random()
        if kind < 0.35:
            return "Put", self.put(key)
        if kind < 0.55:
            return "Range", pb.RangeRequest(key=key)
        if kind < 0.62:
            return "Range", pb.RangeRequest(key=b"k", range_end=b"l", serializable=self.random.random() < 0.4)
        if kind < 0.68:
            return "DeleteRange", pb.DeleteRangeRequest(key=key, prev_kv=True)
        # Compare and swap, by what was seen last; two keys at once now and then.
        swap = pb.TxnRequest()
        swap.compare.add(key=key, target=pb.Compare.MOD, mod_revision=self.seen.get(key, 0))
        swap.success.add().request_put.CopyFrom(self.put(key))
        if self.random.random() < 0.3:
            other = self.random.choice([k for k in KEYS if k != key])
            swap.success.add().request_put.CopyFrom(self.put(other))
        swap.failure.add().request_range.CopyFrom(pb.RangeRequest(key=key))
        return "Txn", swap

    def learn(self, method, request, response):
        if method == "Range":
            for kv in response.kvs:
                self.seen[kv.key] = kv.mod_revision
        elif method == "Txn":
            for kv in () if response.succeeded else response.responses[0].response_range.kvs:
                self.seen[kv.key] = kv.mod_revision
        else:
            self.seen[request.key] = response.header.revision

    def run(self):
        number, client = self.load.connect(self.random)
        while not self.load.stopping.is_set():
            method, request = self.draw()
            response = self.load.recorder.call(self.id, number, client, method, request)
            if response is not None:
                self.learn(method, request, response)
            if response is None or self.random.random() < 0.1:
                client.close()
                number, client = self.load.connect(self.random)
            time.sleep(self.random.uniform(0, self.load.think_seconds))
        client.close()


class Watcher:
    """One watch, carried from member to member, resumed where it was."""

    def __init__(self, load, watch_id, key, end, seed):
        self.load, self.id, self.key, self.end, self.random = load, watch_id, key, end, random.Random(seed)
        self.next_revision, self.told, self.sessions = 1, [], 0
        self.complete_to = None  # known when all is written
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def done(self):
        return self.complete_to is not None and self.next_revision > self.complete_to

    def run(self):
        while not self.done() and not self.load.given_up.is_set():
            _, client = self.load.connect(self.random)
            try:
                self.listen(client, self.random.uniform(1, 6))
            except grpc.RpcError:
                time.sleep(0.05)
            client.close()
        complete = self.complete_to or 0
        self.load.recorder.add("watch", self.id, text(self.key), text(self.end), 1, complete)
        for response in self.told:
            self.load.recorder.add("told", self.id, text(response.SerializeToString()))

    def listen(self, client, seconds):
        over = threading.Event()
        create = pb.WatchRequest(create_request=pb.WatchCreateRequest(
            key=self.key, range_end=self.end, start_revision=self.next_revision, progress_notify=True))

        def requests():
            yield create
            over.wait(seconds + 1)
        stream = client.channel.stream_stream(
            "/etcdserverpb.Watch/Watch", request_serializer=lambda m: m.SerializeToString(),
            response_deserializer=pb.WatchResponse.FromString)(requests(), timeout=seconds)
        try:
            for response in stream:
                if response.created:
                    self.sessions += 1
                    continue
                self.told.append(response)
                if response.events:
                    self.next_revision = response.events[-1].kv.mod_revision + 1
                if response.canceled or self.done() or self.load.given_up.is_set():
                    return
        finally:
            over.set()
            stream.cancel()


class Load:
    def __init__(self, members, workers=4, seed=0, think_seconds=0.03):
        self.members, self.recorder, self.think_seconds = list(members), Recorder(), think_seconds
        self.stopping, self.given_up = threading.Event(), threading.Event()
        self.watchers = [Watcher(self, "all", b"\0", b"\0", seed + 101), Watcher(self, "some", b"k1", b"k3", seed + 102),
                         Watcher(self, "one", b"k4", b"", seed + 103)]
        self.workers = [Worker(self, i, seed + i) for i in range(1, workers + 1)]

    def connect(self, chooser):
        member = chooser.choice(self.members)
        return member.number, Client(f"{member.host}:{member.client_port}", **QUICK)

    def acknowledged(self):
        with self.recorder.lock:
            return self.recorder.counts.get("ok", 0)

    def wait_for_progress(self, more=10, seconds=30):
        """Something gets done again."""
        before = self.acknowledged()
        harness_wait(lambda: self.acknowledged() >= before + more, seconds, lambda: "nothing is acknowledged any more")

    def end(self):
        self.stopping.set()
        for worker in self.workers:
            worker.thread.join()

    def abandon(self):
        self.given_up.set()
        self.end()
        for watcher in self.watchers:
            watcher.thread.join()

    def finish(self, test, cluster):
        """With all faults healed: the last writes, what members hold, what watchers missed; then the judgement."""
        self.end()
        client = Client(f"{self.members[0].host}:{self.members[0].client_port}", **QUICK)
        last = {}
        for key in KEYS:
            response = self.recorder.call(0, self.members[0].number, client, "Put",
                                          pb.PutRequest(key=key, value=b"last"), seconds=20)
            test.assertIsNotNone(response, "the healed cluster does not take a put")
            last[key] = response.header.revision
        client.close()
        for watcher in self.watchers:
            watcher.complete_to = max(r for k, r in last.items()
                                      if watcher.key == k or (watcher.end and watcher.key <= k and
                                                              (watcher.end == b"\0" or k < watcher.end)))
        cluster.assert_equal_hashes(test, self.members)
        for watcher in self.watchers:
            watcher.thread.join(30)
            test.assertFalse(watcher.thread.is_alive(), f"watch {watcher.id} is at {watcher.next_revision}, not at "
                             f"{watcher.complete_to}")
            test.assertGreater(watcher.sessions, 0)
        self.record_stores(max(last.values()))
        self.judge(test)

    def record_stores(self, revision):
        for member in self.members:
            client = Client(f"{member.host}:{member.client_port}", **QUICK)
            everything = client.Range(key=b"\0", range_end=b"\0")
            self.recorder.add("store", member.name, text(everything.SerializeToString()))
            client.close()
        for member in self.members:
            changes = self.changes(member, revision)
            if member is self.members[0]:
                truth = changes
                for response in changes:
                    self.recorder.add("change", text(response.SerializeToString()))
            elif [e for r in changes for e in r.events] != [e for r in truth for e in r.events]:
                raise AssertionError(f"{member.name} and {self.members[0].name} tell different stories")

    def changes(self, member, revision):
        client = Client(f"{member.host}:{member.client_port}", **QUICK)
        over, responses = threading.Event(), []

        def requests():
            yield pb.WatchRequest(create_request=pb.WatchCreateRequest(key=b"\0", range_end=b"\0", start_revision=1))
            over.wait(30)
        stream = client.channel.stream_stream(
            "/etcdserverpb.Watch/Watch", request_serializer=lambda m: m.SerializeToString(),
            response_deserializer=pb.WatchResponse.FromString)(requests(), timeout=30)
        for response in stream:
            if response.events:
                responses.append(response)
                if response.events[-1].kv.mod_revision >= revision:
                    break
        over.set()
        stream.cancel()
        client.close()
        return responses

    def judge(self, test):
        with tempfile.NamedTemporaryFile("w", prefix="holdfast-history-", delete=False) as f:
            f.writelines(self.recorder.lines)
        verdict = check(f.name)
        counts = " ".join(f"{v} {k}" for k, v in sorted(self.recorder.counts.items()))
        test.assertEqual(verdict.returncode, 0, f"{verdict.stdout}{verdict.stderr}{counts}; the history: {f.name}")
        print(f"{verdict.stdout.strip()}; {counts}; {sum(w.sessions for w in self.watchers)} watch sessions",
              flush=True)
        self.check_judge(test, f.name)
        os.unlink(f.name)

    def check_judge(self, test, path):
        """The judge would have seen one acknowledged put that never happened, and one answer from the past."""
        put = pb.PutRequest(key=b"k0", value=b"nobody's")
        first = pb.RangeResponse()
        first.header.revision = 1
        for method, request, answer in (("Put", put, pb.PutResponse(header={"revision": self.recorder.step})),
                                        ("Range", pb.RangeRequest(key=b"k0"), first)):
            with open(path, "w") as f:
                f.writelines(self.recorder.lines)
                step = self.recorder.step
                f.write(f"operation 99 1 {step + 1} {step + 2} ok {method} {text(request.SerializeToString())} "
                        f"{text(answer.SerializeToString())}\n")
            test.assertEqual(check(path).returncode, 1)


def check(path):
    return subprocess.run([SIM, f"--check-history={path}"], capture_output=True, text=True)
