"""tools/tidy finds what it should, and nothing else."""
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


tidy = load("tidy")
HEADER = "// What it promises.\n#pragma once\n"


class Tidy(unittest.TestCase):
    def rules(self, path, text):
        return sorted({rule for _, rule, _ in tidy.breaches(ROOT, path, text)})

    def test_ban_list(self):
        cases = {
            "clock": "auto t = std::chrono::steady_clock::now();",
            "thread": "std::thread worker_;",
            "sleep": "std::this_thread::sleep_for(1s);",
            "random": "std::mt19937 generator;",
            "file": "std::ofstream out(path);",
            "socket": "int fd = ::socket(AF_INET, 0, 0);",
            "protobuf": '#include "rpc.pb.h"',
            "name": "class RaftManager {",
            "macro": "#define FOO(x) x",
            "friend test": "friend class RaftTest;",
            "test branch": "void clear_for_testing();",
            "global": "int g_count = 0;",
            "unfinished": "// TODO: later",
            "commented code": "// count_ = 0;",
        }
        for rule, line in cases.items():
            self.assertEqual(self.rules("src/raft/x.cc", line), [rule], line)

    def test_the_same_where_it_is_right(self):
        for path, line in (
                ("src/os/x.cc", "auto t = std::chrono::steady_clock::now();"),
                ("src/os/x.cc", "std::thread worker_;"),
                ("src/net/x.cc", "std::thread worker_;"),
                ("src/net/x.cc", "int fd = ::socket(AF_INET, 0, 0);"),
                ("src/os/x.cc", "::fsync(fd);"),
                ("apps/holdfast-bench/main.cc", "auto t = std::chrono::steady_clock::now();"),
                ("src/rpc/x.cc", '#include "rpc.pb.h"'),
                ("src/raft/x.cc", "friend class Raft;"),
                ("src/raft/x.cc", "clock_.now();  // not std::chrono::steady_clock::now"),
                ("src/raft/x.cc", 'log_.info("std::thread");'),
                ("src/raft/x.cc", "std::this_thread::get_id();"),
                ("src/raft/x.cc", "#define LOCAL(x) x\n#undef LOCAL"),
                ("src/raft/x.cc", "// The log, then the peers; never the other way round;"),
                ("src/raft/x.cc", "struct mallinfo2 heap = mallinfo2();"),
                ("test/raft/x.cc", "std::thread worker;")):
            self.assertEqual(self.rules(path, line), [], line)

    def test_arrows(self):
        self.assertEqual(self.rules("src/raft/x.cc", '#include "wal/wal.h"'), ["arrow"])
        self.assertEqual(self.rules("src/wal/x.cc", '#include "raft/types.h"'), [])
        self.assertEqual(self.rules("src/sim/x.cc", '#include "os/system_clock.h"'), [])
        self.assertEqual(self.rules("src/server/x.cc", '#include "os/system_clock.h"'), ["arrow"])
        self.assertEqual(self.rules("src/rpc/x.cc", '#include "net/http.h"'), [])

    def test_places(self):
        self.assertEqual(self.rules("src/raft/deep/x.cc", ""), ["nesting"])
        self.assertEqual(self.rules("src/helper/x.cc", ""), ["order"])

    def test_headers(self):
        self.assertEqual(self.rules("src/raft/x.h", HEADER), [])
        self.assertEqual(self.rules("src/raft/x.h", "#pragma once\n"), ["contract"])
        self.assertEqual(self.rules("src/raft/x.h", "// Text.\n"), ["guard"])
        self.assertEqual(self.rules("src/raft/x.h", "// log.info(text);\n#pragma once\n"), [])

    def test_sharing_is_explained(self):
        line = "std::shared_ptr<Entries> entries_;\n"
        self.assertEqual(self.rules("src/raft/x.h", HEADER + line), ["shared"])
        self.assertEqual(self.rules("src/raft/x.h", HEADER + "// Shared by the log and the peers.\n" + line), [])

    def test_order_of_unordered_containers(self):
        text = "absl::flat_hash_map<int, int> peers_;\nfor (auto& [id, peer] : peers_) send(peer);\n"
        self.assertEqual(self.rules("src/raft/x.cc", text), ["order"])
        self.assertEqual(self.rules("src/raft/x.cc", text.replace("for", "// A sum: any order.\nfor")), [])
        self.assertEqual(self.rules("src/raft/x.cc", text.replace("absl::flat_hash_map", "std::map")), [])

    def test_length(self):
        self.assertEqual(self.rules("src/raft/x.cc", "\n" * 999), [])
        self.assertEqual(self.rules("src/raft/x.cc", "\n" * 1001), ["length"])

    def test_links(self):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / "docs").mkdir()
            (root / "docs/there.md").write_text("")
            text = "[a](there.md#x) [b](https://example.com) [c](#here)\n```\n[d](gone.md)\n```\n[e](gone.md)\n"
            found = list(tidy.breaches(root, "docs/page.md", text))
            self.assertEqual(found, [(5, "link", "gone.md is not there")])

    def test_exceptions_still_have_a_cause(self):
        for path, rule, _ in tidy.EXCEPTIONS:
            found = {r for _, r, _ in tidy.check_cpp(path, (ROOT / path).read_text())}
            self.assertIn(rule, found, path)


run_tests = load("run-tests")


class RunTests(unittest.TestCase):
    def test_counts_cases_and_programs(self):
        tests = {"gtest": "passed", "plain": "passed", "crash": "failed", "leak": "failed", "none": "skipped"}
        reports = {"gtest": (10, 0, 2), "leak": (5, 0, 0)}
        self.assertEqual(run_tests.count(tests, reports), (16, 2, 3))

    def test_reads_gtest_reports(self):
        with tempfile.NamedTemporaryFile("w", suffix=".xml") as file:
            file.write("""<testsuites><testsuite>
                <testcase name="a" status="run" result="completed"/>
                <testcase name="b" status="run" result="completed"><failure/></testcase>
                <testcase name="c" status="run" result="skipped"><skipped/></testcase>
                <testcase name="d" status="notrun" result="suppressed"/>
                </testsuite></testsuites>""")
            file.flush()
            self.assertEqual(run_tests.cases_of_gtest(file.name), (1, 1, 1))
        self.assertIsNone(run_tests.cases_of_gtest("/none"))


if __name__ == "__main__":
    unittest.main()
