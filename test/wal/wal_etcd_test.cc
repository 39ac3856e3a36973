// A log written by a real etcd, read by ours and written again: the bytes must be equal. Needs etcd
// and etcdctl in the path; skipped without.
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <vector>

#include "fmt/format.h"
#include "gtest/gtest.h"
#include "os/posix_file_system.h"
#include "raft/codec.h"
#include "test/base/reserved_port.h"
#include "wal/decoder.h"
#include "wal/snap_file.h"
#include "wal_fixture.h"

namespace holdfast::wal {
namespace {

pid_t start(const std::vector<std::string>& arguments, const std::string& output) {
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  ::setenv("ETCDCTL_API", "3", 1);
  const int fd = ::open(output.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  ::dup2(fd, 1);
  ::dup2(fd, 2);
  std::vector<char*> argv;
  argv.reserve(arguments.size() + 1);
  for (const std::string& a : arguments) argv.push_back(const_cast<char*>(a.c_str()));
  argv.push_back(nullptr);
  ::execvp(argv[0], argv.data());
  ::_exit(127);
}

int wait_for(pid_t pid) {
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

class EtcdLogTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "/holdfast-wal-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    dir_ = pattern;
    output_ = dir_ + "/output";
    if (wait_for(start({"etcd", "--version"}, output_)) != 0 ||
        wait_for(start({"etcdctl", "version"}, output_)) != 0)
      GTEST_SKIP() << "etcd or etcdctl is not installed";
  }
  void TearDown() override {
    stop();
    EXPECT_TRUE(fs_.remove_all(dir_).ok());
  }

  void start_etcd(std::vector<std::string> more = {}) {
    const std::string client = client_port_.url();
    const std::string peer = peer_port_.url();
    endpoint_ = "--endpoints=" + client;
    std::vector<std::string> arguments = {"etcd",
                                          "--data-dir",
                                          data(),
                                          "--listen-client-urls",
                                          client,
                                          "--advertise-client-urls",
                                          client,
                                          "--listen-peer-urls",
                                          peer,
                                          "--initial-advertise-peer-urls",
                                          peer,
                                          "--initial-cluster",
                                          "default=" + peer};
    arguments.insert(arguments.end(), more.begin(), more.end());
    etcd_ = start(arguments, output_);
    for (int attempt = 0; attempt < 60; ++attempt) {
      if (wait_for(start({"etcdctl", endpoint_, "--dial-timeout=1s", "--command-timeout=1s",
                          "endpoint", "health"},
                         output_)) == 0)
        return;
    }
    FAIL() << "etcd did not start: " << env::read_file(fs_, output_, 1 << 20).value_or("");
  }
  void stop() {
    if (etcd_ == 0) return;
    ::kill(etcd_, SIGKILL);
    wait_for(etcd_);
    etcd_ = 0;
  }
  void put(const std::string& key, const std::string& value) {
    ASSERT_EQ(wait_for(start({"etcdctl", endpoint_, "put", key, value}, output_)), 0);
  }
  std::string data() const { return dir_ + "/data"; }
  std::string wal_dir() const { return data() + "/member/wal"; }

  os::PosixFileSystem fs_;
  TestWorld test_{fs_};
  std::string dir_, output_, endpoint_;
  test::ReservedPort client_port_, peer_port_;
  pid_t etcd_ = 0;
};

// What our encoder makes of a record of etcd's, through our structs.
std::string encode_again(const Record& record) {
  switch (record.type) {
    case RecordType::crc:
      return "";
    case RecordType::metadata:
      return encode(*decode_metadata(record.data));
    case RecordType::state:
      return encode(*decode_state(record.data));
    case RecordType::snapshot:
      return encode(*decode_snapshot(record.data));
    case RecordType::entry:
      return raft::encoded(*decode_entry(record.data));
  }
  return "";
}

// WAL-03..WAL-08
TEST_F(EtcdLogTest, EqualByteForByte) {
  start_etcd();
  for (int i = 0; i < 5; ++i) put(fmt::format("key{}", i), std::string(50 * i + 1, 'v'));
  stop();

  const auto names = list_segments(fs_, test_.logger, wal_dir());
  ASSERT_TRUE(names.ok()) << names.status();
  ASSERT_EQ(names->size(), 1u);
  const std::string path = wal_dir() + "/" + names->front().text();
  auto file = *fs_.open(path, env::OpenMode::read);
  EXPECT_EQ(*file->size(), 64'000'000u);  // WAL-02
  Decoder decoder({{path, file.get()}});
  RecordWriter writer;
  Record record;
  size_t entries = 0;
  for (;;) {
    const auto more = decoder.next(record);
    ASSERT_TRUE(more.ok()) << more.status();
    if (!*more) break;
    const std::string again = encode_again(record);
    EXPECT_EQ(again, record.data) << "type " << static_cast<int>(record.type);
    if (record.type == RecordType::crc) {
      writer.put_crc();
    } else {
      writer.put(record.type, again);
    }
    EXPECT_EQ(writer.crc(), record.crc);
    entries += record.type == RecordType::entry;
  }
  EXPECT_GE(entries, 6u);
  std::string theirs(decoder.last_offset(), '\0');
  ASSERT_EQ(*file->read_at(0, theirs.data(), theirs.size()), theirs.size());
  EXPECT_EQ(writer.buffered(), theirs);

  file.reset();
  auto opened = Wal::open(test_.world, {}, wal_dir(), {});
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_TRUE(decode_metadata(opened->contents.metadata).ok());
  EXPECT_EQ(opened->contents.entries.size(), opened->contents.entries.back().index.value);
  EXPECT_GE(opened->contents.hard_state.term, Term(2));
}

// WAL-13: either server keeps the other out.
TEST_F(EtcdLogTest, RunningEtcdKeepsUsOut) {
  start_etcd();
  const auto opened = Wal::open(test_.world, {}, wal_dir(), {});
  EXPECT_TRUE(absl::IsUnavailable(opened.status())) << opened.status();
  EXPECT_TRUE(verify(test_.world, wal_dir(), {}).ok());
}

// SNP-01: snapshot files and records of etcd's.
TEST_F(EtcdLogTest, SnapshotsAreRead) {
  start_etcd({"--snapshot-count", "5"});
  for (int i = 0; i < 14; ++i) put("key", fmt::format("value{}", i));
  // A snapshot is written behind; its record in the log comes last.
  std::vector<SnapshotRecord> valid;
  for (int attempt = 0; attempt < 100 && valid.size() < 2; ++attempt) {
    put("key", "again");
    valid = *valid_snapshot_entries(test_.world, wal_dir());
  }
  stop();
  ASSERT_GE(valid.size(), 2u);
  Snapshotter snapshotter(test_.world, data() + "/member/snap");
  const auto snap = snapshotter.load_newest_available(valid);
  ASSERT_TRUE(snap.ok()) << snap.status();
  EXPECT_EQ(snap->metadata.conf_state.voters.size(), 1u);
  const std::string name = snapshot_file_name(snap->metadata.term, snap->metadata.index);
  EXPECT_EQ(encode_snapshot_file(*snap),
            *env::read_file(fs_, data() + "/member/snap/" + name, 1 << 30));
  const auto opened = Wal::open(test_.world, {}, wal_dir(),
                                {snap->metadata.index, snap->metadata.term, std::nullopt});
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->contents.entries.front().index, snap->metadata.index + 1);
}

}  // namespace
}  // namespace holdfast::wal
