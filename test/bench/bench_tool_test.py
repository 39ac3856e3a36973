"""tools/bench reads what programs print, and computes its table, rightly."""
import argparse
import importlib.machinery
import importlib.util
import pathlib
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def load(name):
    loader = importlib.machinery.SourceFileLoader(name.replace("-", "_"), str(ROOT / "tools" / name))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


bench = load("bench")
count_instructions = load("count-instructions")

H2LOAD = """
finished in 2.35s, 42553.19 req/s, 2.17MB/s
requests: 100000 total, 100000 started, 100000 done, {} succeeded, {} failed, 0 errored, 0 timeout
"""


class Parsing(unittest.TestCase):
    def test_h2load(self):
        self.assertEqual(bench.parse_h2load(H2LOAD.format(100000, 0)), (42553.19, 100000))
        with self.assertRaises(bench.Failure):
            bench.parse_h2load(H2LOAD.format(99999, 1))
        with self.assertRaises(bench.Failure):
            bench.parse_h2load("could not connect")

    def test_metric(self):
        text = ('h{grpc_code="OK",grpc_method="Put"} 7\nh{grpc_code="OK",grpc_method="Range"} 9\n'
                'h{grpc_code="Aborted",grpc_method="Put"} 2\nh_other{grpc_code="OK",grpc_method="Put"} 1\n')
        self.assertEqual(bench.parse_metric(text, "h", {"grpc_code": "OK", "grpc_method": "Put"}), 7)
        self.assertEqual(bench.parse_metric(text, "h", {"grpc_method": "Put"}), 9)

    def test_proc(self):
        stat = "42 (a (b) c) S 1 42 42 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 7 0 100 1 2"
        self.assertEqual(bench.parse_cpu_ticks(stat), 300)
        self.assertEqual(bench.parse_memory("VmPeak:\t9 kB\nVmRSS:\t  10 kB\nRssAnon:\t4 kB\nRssFile:\t6 kB\n"),
                         {"VmRSS": 10240, "RssAnon": 4096, "RssFile": 6144})

    def test_messages(self):
        self.assertEqual(bench.varint(300), b"\xac\x02")
        body = bench.put_body()
        self.assertEqual(body[:5], b"\0" + (len(body) - 5).to_bytes(4, "big"))
        self.assertEqual(bench.range_body(True)[-2:], b"\x38\x01")


class Callgrind(unittest.TestCase):
    def test_self_costs(self):
        text = ("fl=(1) a.cc\nfn=(1) outer\n5 10\n+2 7\ncfn=(2) inner\ncalls=3 1\n* 900\n- 1\n"
                "fn=(2)\n9 300\n\ntotals: 318\n")
        self.assertEqual(count_instructions.self_costs(text), {"outer": 18, "inner": 300})


class Table(unittest.TestCase):
    def rows(self, samples):
        with tempfile.TemporaryDirectory() as folder:
            args = argparse.Namespace(folder=folder, bin=folder, etcd="etcd", keys=1000, growth_keys=10, rounds=1,
                                      smoke=False, watchers=1000)
            b = bench.Bench(args)
            for (measurement, figure, server), values in samples.items():
                for value in values:
                    b.add(measurement, figure, server, value)
            return {row[0]: row[1:] for row in b.rows()}

    def test_what_a_watcher_costs(self):
        rows = self.rows({("watch-put", "synced", "holdfast"): [10.9], ("watch-put", "more synced", "holdfast"): [0.4, 0.09, 0],
                          ("watch-put", "stuck", "holdfast"): [10.3], ("watch-put", "more stuck", "holdfast"): [0.03],
                          ("watch-put", "synced", "etcd"): [60.0], ("watch-put", "more synced", "etcd"): [0.2]})
        self.assertEqual(rows["CPU time a Put with one synced watcher"],
                         ("60.0 us, +20%", "10.9 us, +9%", "-", "at most +10%", True))
        self.assertEqual(rows["CPU time a Put with one stuck watcher"], ("-", "10.3 us, +3%", "-", "at most +2%", False))

    def test_medians_and_ratios(self):
        rows = self.rows({("put", "rate", "etcd"): [1000, 900, 5000], ("put", "rate", "holdfast"): [8000, 6000, 7000],
                          ("put", "cpu", "etcd"): [40], ("put", "cpu", "holdfast"): [10]})
        self.assertEqual(rows["Put, 10 x 50"], ("1,000/s", "7,000/s", "7.00 x", "5 x", True))
        self.assertEqual(rows["CPU time a Put, 10 x 50"], ("40.0 us", "10.0 us", "4.00 x", "5 x", False))

    def test_one_at_a_time(self):
        rows = self.rows({("put-1", f, "holdfast"): [v]
                          for f, v in (("sync", 100), ("empty", 50), ("p50", 165), ("rate", 6000), ("ratio", 1.1))})
        self.assertEqual(rows["Put, 1 x 1, p50 / (fdatasync 100.0 us + empty call 50.0 us)"][1:],
                         ("1.10", "-", "at most 1.4", True))

    def test_growth(self):
        rows = self.rows({("growth", "rate small", "holdfast"): [100], ("growth", "rate large", "holdfast"): [70],
                          ("growth", "cpu small", "holdfast"): [5], ("growth", "cpu large", "holdfast"): [7],
                          ("growth", "share", "holdfast"): [0.9, 0.7, 0.6]})
        (row,) = rows.values()
        self.assertEqual(row[2:], ("70%", "80%", False))

    def test_nothing_measured_nothing_shown(self):
        self.assertEqual(self.rows({("put", "rate", "etcd"): [5]}), {})


if __name__ == "__main__":
    unittest.main()
