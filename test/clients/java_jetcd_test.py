"""jetcd (Java) against holdfast. Its jars are fetched into the build directory once; without a JDK, Maven or a registry the
test is skipped. KV-02 KV-20 KV-10 TXN-03 TXN-09 WAT-07 WAT-11 WAT-12 WAT-13 LEA-04 LEA-05
LCK-01 LCK-02 ELC-01 ELC-02 ELC-03 ELC-04 ELC-05"""
import glob
import os
import shutil
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))
import harness  # noqa: E402
import over_a_restart  # noqa: E402

SOURCES = os.path.join(HERE, "java")
FOLDER = os.environ.get("HOLDFAST_JETCD_FOLDER") or \
    os.path.join(os.path.dirname(os.path.abspath(harness.HOLDFAST)), "jetcd")


def fetch():
    """Whether the jars are there. Half of them are not enough, so they get their place when all have come."""
    jars = os.path.join(FOLDER, "jars")
    if os.path.isdir(jars):
        return True
    coming = os.path.join(FOLDER, "coming")
    shutil.rmtree(coming, ignore_errors=True)
    try:
        subprocess.run(["mvn", "-q", "-B", "-f", os.path.join(SOURCES, "pom.xml"), "dependency:copy-dependencies",
                        f"-DoutputDirectory={coming}", "-DincludeScope=runtime"], check=True, capture_output=True, timeout=240)
        os.rename(coming, jars)
    except (OSError, subprocess.SubprocessError):
        return False
    return True


@unittest.skipUnless(harness.have("java", "javac", "mvn", "etcdctl"), "java, javac, mvn or etcdctl is not installed")
class JavaJetcd(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not fetch():
            raise unittest.SkipTest("jetcd can't be fetched from Maven Central")
        cls.classes = os.path.join(FOLDER, "classes")
        cls.class_path = os.pathsep.join([cls.classes, *sorted(glob.glob(os.path.join(FOLDER, "jars", "*.jar")))])
        subprocess.run(["javac", "-cp", cls.class_path, "-d", cls.classes, os.path.join(SOURCES, "Jetcd.java")], check=True)

    def java(self, server, what):
        return ["java", "-XX:TieredStopAtLevel=1", "-cp", self.class_path, "Jetcd", server.url, what]

    def test_calls(self):
        server = harness.Server(harness.HOLDFAST).start()
        self.addCleanup(server.close)
        ran = subprocess.run(self.java(server, "calls"), capture_output=True, text=True, timeout=120)
        self.assertEqual(ran.stdout, "done\n", ran.stderr)

    def test_watch_over_a_restart(self):
        server = harness.Server(harness.HOLDFAST).start()
        self.addCleanup(server.close)
        java = subprocess.Popen(self.java(server, "restart"), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL, text=True)
        self.assertEqual(over_a_restart.drive(self, server, java), "[w/0, w/1, w/2, w/3, w/4, w/5]\n")


if __name__ == "__main__":
    unittest.main()
