// The same puts, deletes, transactions and compactions to Debian's etcd 3.4 and to the store:
// HashKV must be equal after each step (BKT-13, TRP-57). Skipped where there is no etcd.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <optional>

#include "base/check.h"
#include "base/random.h"
#include "test/backend/temporary_folder.h"
#include "test/base/reserved_port.h"
#include "test/mvcc/store_world.h"

namespace holdfast::mvcc {
namespace {

constexpr const char* kEtcd = "/usr/bin/etcd";
constexpr const char* kEtcdctl = "/usr/bin/etcdctl";

class Etcd {
 public:
  Etcd() {
    const std::string client = client_port_.url(), peer = peer_port_.url();
    endpoint_ = client;
    const std::string log = folder_.path() + "/log";
    process_ = fork();
    if (process_ == 0) {
      const int fd = open(log.c_str(), O_CREAT | O_WRONLY, 0600);
      dup2(fd, 1);
      dup2(fd, 2);
      execl(kEtcd, kEtcd, "--data-dir", (folder_.path() + "/data").c_str(), "--listen-client-urls",
            client.c_str(), "--advertise-client-urls", client.c_str(), "--listen-peer-urls",
            peer.c_str(), "--initial-advertise-peer-urls", peer.c_str(), "--initial-cluster",
            ("default=" + peer).c_str(), "--unsafe-no-fsync", nullptr);
      _exit(127);
    }
    // etcdctl waits for the connection by itself.
    CHECK(ctl({"--dial-timeout=20s", "--command-timeout=30s", "get", "nothing"}).has_value());
  }
  ~Etcd() {
    kill(process_, SIGKILL);
    waitpid(process_, nullptr, 0);
  }

  // What etcdctl printed; nullopt if it failed.
  std::optional<std::string> ctl(std::vector<std::string> arguments,
                                 const std::string& input = "") {
    arguments.insert(arguments.begin(), {kEtcdctl, "--endpoints", endpoint_});
    const std::string in_path = folder_.path() + "/in";
    std::ofstream(in_path) << input;
    int ends[2];
    CHECK(pipe(ends) == 0);
    const pid_t child = fork();
    if (child == 0) {
      std::vector<char*> argv;
      argv.reserve(arguments.size() + 1);
      for (std::string& a : arguments) argv.push_back(a.data());
      argv.push_back(nullptr);
      dup2(open(in_path.c_str(), O_RDONLY), 0);
      dup2(ends[1], 1);
      close(ends[0]);
      setenv("ETCDCTL_API", "3", 1);
      execv(kEtcdctl, argv.data());
      _exit(127);
    }
    close(ends[1]);
    std::string output;
    std::array<char, 4096> buffer;
    for (ssize_t n; (n = read(ends[0], buffer.data(), buffer.size())) > 0;)
      output.append(buffer.data(), static_cast<size_t>(n));
    close(ends[0]);
    int result = 0;
    waitpid(child, &result, 0);
    if (result != 0) return std::nullopt;
    return output;
  }
  struct Hash {
    int64_t hash, compact_revision, revision;
  };
  Hash hash() {
    const std::string text = ctl({"endpoint", "hashkv", "-w", "json"}).value();
    auto number = [&](const std::string& name) -> int64_t {
      const size_t at = text.find("\"" + name + "\":");
      return at == std::string::npos ? 0 : std::stoll(text.substr(at + name.size() + 3));
    };
    return {number("hash"), number("compact_revision"), number("revision")};
  }

 private:
  backend::TemporaryFolder folder_;
  test::ReservedPort client_port_, peer_port_;
  std::string endpoint_;
  pid_t process_ = -1;
};

TEST(HashAgainstEtcd, EqualAfterEachStep) {
  if (access(kEtcd, X_OK) != 0 || access(kEtcdctl, X_OK) != 0) GTEST_SKIP() << "no etcd here";
  Etcd etcd;
  StoreWorld world;
  world.open();
  Random random(20261124);
  auto key = [&] { return "key" + std::to_string(random.below(12)); };
  for (int step = 0; step < 60; ++step) {
    const uint64_t what = random.below(10);
    if (what < 4) {
      const std::string k = key(), v = "value " + std::to_string(step);
      ASSERT_TRUE(etcd.ctl({"put", k, v}));
      world.put(k, v);
    } else if (what < 6) {
      const std::string k = key();
      ASSERT_TRUE(etcd.ctl({"del", k}));
      world.erase(k);
    } else if (what < 8) {
      // One transaction with several changes, no key twice.
      std::string input = "\n";
      WriteTxn txn = world.store->write();
      for (uint64_t i = 0; i < 4; ++i) {
        const std::string k = "key" + std::to_string(i * 3 + random.below(3));
        if (random.chance(1, 4)) {
          input += "del " + k + "\n";
          txn.delete_range(k, {});
        } else {
          const std::string v = "t" + std::to_string(step) + "-" + std::to_string(i);
          input.append("put ").append(k).append(" ").append(v).append("\n");
          txn.put(k, v, LeaseId(0));
        }
      }
      txn.end();
      ASSERT_TRUE(etcd.ctl({"txn"}, input + "\n\n"));
    } else if (what < 9) {
      ASSERT_TRUE(etcd.ctl({"del", "key1", "key3"}));
      world.erase("key1", "key3");
    } else {
      const int64_t oldest = std::max<int64_t>(world.store->compacted_revision().value + 1, 1);
      const int64_t now = world.store->current_revision().value;
      if (oldest > now) continue;
      const int64_t at = random.between(oldest, now);
      ASSERT_TRUE(etcd.ctl({"compact", "--physical", std::to_string(at)}));
      ASSERT_TRUE(world.compact(at).ok());
    }
    const Etcd::Hash theirs = etcd.hash();
    auto ours = world.store->hash_kv(Revision(0));
    ASSERT_TRUE(ours.ok());
    EXPECT_EQ(ours->current_revision.value, theirs.revision);
    EXPECT_EQ(ours->compact_revision.value, theirs.compact_revision);
    EXPECT_EQ(static_cast<int64_t>(ours->hash), theirs.hash) << "step " << step << " kind " << what;
    if (testing::Test::HasFailure()) break;
  }
}

}  // namespace
}  // namespace holdfast::mvcc
