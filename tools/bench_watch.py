"""Part of tools/bench: watchers, what they cost, and what they cost others."""
import os
import signal
import subprocess
import threading
import time

NAMES = ["watch-one-key", "watch-keys", "watch-put", "watch-memory"]
GROUP = NAMES  # --only watch
ONCE = {"watch-memory"}
# As the aims have it: 1,000 watchers of one key, 10,000 of different keys, a million on 100 streams.
ONE_KEY_WATCHERS, KEYS_WATCHERS, MEMORY_WATCHERS = 1000, 10_000, 1_000_000
SMALL = 100  # each of them by so much less in a smoke test
PUTS_BEFORE_STUCK_MAX = 2_000_000
FIGURES = ["alone", "synced", "stuck"]  # of watch-put, each this often a round
# Many short turns: what else goes on changes from second to second.
TURNS, TURNS_SMOKE = 16, 1
TURN_PART = 5  # of a load's time
STUCK_EVERY = 3  # turns: it takes long until a server has found out
# The time a disk takes differs from one run to the next by more than a watcher costs.
IN_MEMORY = "/dev/shm"


def start_watcher(load, server, key_size, failure=RuntimeError):
    """A client that watches the first key of --key-space, and reads what it is sent until end_watcher(). Returns when its
    watcher is there."""
    watcher = subprocess.Popen([load, "watch", f"--endpoint=127.0.0.1:{server.port}", "--watchers=1", "--connections=1",
                                "--streams=1", f"--key-size={key_size}", "--key-space=1", "--hold=24h"],
                               stdout=subprocess.PIPE, text=True)
    if watcher.stdout.readline() != "1 watchers\n":
        end_watcher(watcher)
        raise failure("no watcher")
    return watcher


def end_watcher(watcher):
    watcher.kill()  # a stopped one too
    watcher.communicate()


class CpuOnceWatched:
    """CPU time of a server from the moment on when it has so many watchers, which is when the puts begin, to the block's end."""

    def __init__(self, server, watchers):
        self.server, self.watchers, self.over = server, watchers, threading.Event()
        self.before = server.cpu_seconds()

    def __enter__(self):
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        return self

    def run(self):
        while not self.over.wait(0.01):
            if self.server.value("etcd_debugging_mvcc_watcher_total") >= self.watchers:
                self.before = self.server.cpu_seconds()
                return

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
        self.seconds = self.server.cpu_seconds() - self.before


class WatchMeasurements:
    """Methods of Bench."""

    def watchers(self, count):
        return count // SMALL if self.args.smoke else count

    def measure_events(self, measurement, label, watchers, keys):
        with self.server(label) as server:
            flags = (f"--watchers={watchers}", "--connections=10", "--streams=10", f"--key-space={keys}")
            self.holdfast_bench(measurement + " (before)", server, "watch", f"--requests={max(keys, 100)}", "--check", *flags)
            while server.value("etcd_debugging_mvcc_watcher_total"):
                time.sleep(0.01)
            with CpuOnceWatched(server, watchers) as cpu:
                outcome = self.holdfast_bench(measurement, server, "watch", f"--duration={self.args.seconds}s", *flags)
            self.add(measurement, "rate", label, outcome["rate"])
            self.add(measurement, "cpu", label, cpu.seconds / outcome["calls"] * 1e6)

    def measure_watch_one_key(self, label):
        self.measure_events("watch-one-key", label, self.watchers(ONE_KEY_WATCHERS), 1)

    def measure_watch_keys(self, label):
        watchers = self.watchers(KEYS_WATCHERS)
        self.measure_events("watch-keys", label, watchers, watchers)

    def measure_watch_put(self, label):
        """One server, in turns without a watcher, with a client that watches the key and reads, and with one that stands
        still: the difference is smaller than what single runs differ by, so it is the median of pairs. Data in memory."""
        with self.server(label, folder=IN_MEMORY if os.path.isdir(IN_MEMORY) else None) as server:
            measure = lambda n: self.h2load("watch-put", server, "Put", "put", 10, 50, n)
            n = max(self.calibrated(measure, 500) // TURN_PART // 500 * 500, 500)
            for turn in range(TURNS_SMOKE if self.args.smoke else TURNS):
                cost = {}
                figures = FIGURES if turn % STUCK_EVERY == 0 else FIGURES[:2]
                for figure in figures if turn % 2 == 0 else reversed(figures):
                    watcher = None
                    if figure != "alone":
                        watcher = start_watcher(self.load, server, len(self.put_key), self.failure)
                    try:
                        if figure == "stuck":
                            self.stop_reading(watcher, server, measure)
                        cost[figure] = self.measure_put_cost(server, n, figure)
                    finally:
                        if watcher:
                            end_watcher(watcher)
                for figure in figures[1:]:
                    self.add("watch-put", "more " + figure, label, cost[figure] / cost["alone"] - 1)

    def stop_reading(self, watcher, server, put):
        """Until the server has found that nobody reads."""
        watcher.send_signal(signal.SIGSTOP)
        made = 0
        while not server.value("etcd_debugging_mvcc_slow_watcher_total"):
            put(20_000)
            made += 20_000
            if made > PUTS_BEFORE_STUCK_MAX:
                raise self.failure(f"{server.label}: a client that reads nothing is not found slow")

    def measure_put_cost(self, server, requests, figure):
        """CPU time of a Put, in microseconds."""
        before = server.cpu_nanoseconds()
        rate = self.h2load("watch-put", server, "Put", "put", 10, 50, requests)
        time.sleep(self.args.settle)
        cost = (server.cpu_nanoseconds() - before) / requests / 1e3
        self.add("watch-put", "rate " + figure, server.label, rate)
        self.add("watch-put", figure, server.label, cost)
        return cost

    def measure_watch_memory(self, label):
        watchers = self.watchers(self.args.watchers)
        with self.server(label) as server:
            before = server.memory()["VmRSS"]
            command = [self.load, "watch", f"--endpoint=127.0.0.1:{server.port}", f"--watchers={watchers}",
                       "--connections=10", "--streams=10", "--key-space=1", "--hold=24h"]
            self.commands["watch-memory"] = " ".join(command[1:]).replace(str(server.port), "PORT")
            client = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            try:
                if client.stdout.readline() != f"{watchers} watchers\n":
                    raise self.failure(f"{label}: no {watchers} watchers")
                time.sleep(self.args.settle)
                self.add("watch-memory", "bytes", label, (server.memory()["VmRSS"] - before) / watchers)
            finally:
                end_watcher(client)

    def watch_rows(self, rows, compare, forms):
        rate, micro, _ = forms
        compare(f"Events, {self.watchers(ONE_KEY_WATCHERS):,} watchers of one key", "watch-one-key", "rate", rate, 5)
        compare("  CPU time an event", "watch-one-key", "cpu", lambda v: f"{v:.2f} us", None, False)
        compare(f"Events, {self.watchers(KEYS_WATCHERS):,} watchers of different keys", "watch-keys", "rate", rate, 5)
        compare("  CPU time a put and its event", "watch-keys", "cpu", micro, None, False)
        compare(f"Memory a watching, {self.watchers(self.args.watchers):,} on 100 streams", "watch-memory", "bytes",
                lambda v: f"{v:,.0f} bytes", 5, False)
        for figure, aim in (("synced", 0.10), ("stuck", 0.02)):
            costs, more = ({s: self.median("watch-put", prefix + figure, s) for s in self.servers} for prefix in ("", "more "))
            if more["holdfast"] is None:
                continue
            shown = lambda s: f"{costs[s]:.1f} us, {more[s]:+.0%}" if more.get(s) is not None else "-"
            rows.append((f"CPU time a Put with one {figure} watcher", shown("etcd"), shown("holdfast"), "-",
                         f"at most +{aim:.0%}", more["holdfast"] <= aim))
