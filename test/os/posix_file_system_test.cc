#include "os/posix_file_system.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "base/errors.h"
#include "gtest/gtest.h"

namespace holdfast::os {
namespace {

using env::OpenMode;

class PosixFileSystemTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "/holdfast-os-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    dir_ = pattern;
  }
  void TearDown() override { EXPECT_TRUE(fs_.remove_all(dir_).ok()); }

  std::string path(const std::string& name) const { return dir_ + "/" + name; }
  mode_t mode_of(const std::string& p) {
    struct stat info = {};
    EXPECT_EQ(::stat(p.c_str(), &info), 0);
    return info.st_mode & 0777;
  }

  PosixFileSystem fs_;
  std::string dir_;
};

TEST_F(PosixFileSystemTest, WritesReadsAndGrows) {
  auto file = *fs_.open(path("f"), OpenMode::create);
  EXPECT_EQ(mode_of(path("f")), 0600u);
  ASSERT_TRUE(file->write_at(5, "hello").ok());
  EXPECT_EQ(*file->size(), 10u);
  char buffer[16] = {};
  EXPECT_EQ(*file->read_at(0, buffer, sizeof(buffer)), 10u);
  EXPECT_EQ(std::string(buffer, 10), std::string(5, '\0') + "hello");
  EXPECT_EQ(*file->read_at(100, buffer, sizeof(buffer)), 0u);
  EXPECT_TRUE(file->sync().ok());
  EXPECT_TRUE(file->sync_data().ok());
  ASSERT_TRUE(file->truncate(6).ok());
  EXPECT_EQ(*file->size(), 6u);
  EXPECT_EQ(*env::read_file(fs_, path("f"), 100), std::string(5, '\0') + "h");
  EXPECT_EQ(env::read_file(fs_, path("f"), 5).status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST_F(PosixFileSystemTest, PreallocateReadsAsZeroAndNeverShrinks) {
  auto file = *fs_.open(path("f"), OpenMode::create);
  ASSERT_TRUE(file->write_at(0, "abc").ok());
  ASSERT_TRUE(file->preallocate(100'000).ok());
  EXPECT_EQ(*file->size(), 100'000u);
  ASSERT_TRUE(file->preallocate(10).ok());
  ASSERT_TRUE(file->preallocate(0).ok());
  EXPECT_EQ(*file->size(), 100'000u);
  std::string all(100'000, 'x');
  EXPECT_EQ(*file->read_at(0, all.data(), all.size()), all.size());
  EXPECT_EQ(all, "abc" + std::string(99'997, '\0'));
}

TEST_F(PosixFileSystemTest, OpenModes) {
  EXPECT_TRUE(absl::IsNotFound(fs_.open(path("f"), OpenMode::read).status()));
  EXPECT_TRUE(absl::IsNotFound(fs_.open(path("f"), OpenMode::read_write).status()));
  EXPECT_TRUE(fs_.open(path("f"), OpenMode::create_or_open).ok());
  EXPECT_TRUE(absl::IsAlreadyExists(fs_.open(path("f"), OpenMode::create).status()));
  EXPECT_TRUE(fs_.open(path("f"), OpenMode::create_or_open).ok());
  auto reader = *fs_.open(path("f"), OpenMode::read);
  EXPECT_FALSE(reader->write_at(0, "x").ok());
}

TEST_F(PosixFileSystemTest, ErrorsNameOperationPathAndReason) {
  const absl::Status status = fs_.open(path("none"), OpenMode::read).status();
  EXPECT_EQ(message(status), "open " + path("none") + ": No such file or directory");
  EXPECT_EQ(errno_status(ENOSPC, "write", "/f").code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(errno_status(EDQUOT, "write", "/f").code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(errno_status(EIO, "fdatasync", "/f").code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(message(errno_status(EIO, "fdatasync", "/f")), "fdatasync /f: Input/output error");
  EXPECT_EQ(errno_status(EACCES, "open", "/f").code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(errno_status(EROFS, "open", "/f").code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(errno_status(EMFILE, "open", "/f").code(), absl::StatusCode::kUnknown);
}

TEST_F(PosixFileSystemTest, FullDeviceIsResourceExhausted) {
  if (::access("/dev/full", W_OK) != 0) GTEST_SKIP() << "no /dev/full";
  auto file = *fs_.open("/dev/full", OpenMode::read_write);
  EXPECT_TRUE(absl::IsResourceExhausted(file->write_at(0, "x")));
}

TEST_F(PosixFileSystemTest, DirectoriesNamesAndRemoval) {
  ASSERT_TRUE(fs_.create_directories(path("a/b/c")).ok());
  ASSERT_TRUE(fs_.create_directories(path("a/b/c/")).ok());
  EXPECT_EQ(mode_of(path("a")), 0700u);
  EXPECT_EQ(mode_of(path("a/b/c")), 0700u);
  EXPECT_TRUE(*fs_.is_directory(path("a/b")));
  EXPECT_FALSE(*fs_.is_directory(path("nothing")));
  ASSERT_TRUE(fs_.open(path("a/z"), OpenMode::create).ok());
  ASSERT_TRUE(fs_.open(path("a/f"), OpenMode::create).ok());
  EXPECT_FALSE(*fs_.is_directory(path("a/f")));
  EXPECT_FALSE(fs_.create_directories(path("a/f")).ok());
  EXPECT_FALSE(fs_.create_directories(path("a/f/g")).ok());
  EXPECT_EQ(*fs_.list(path("a")), (std::vector<std::string>{"b", "f", "z"}));
  EXPECT_TRUE(absl::IsNotFound(fs_.list(path("nothing")).status()));
  EXPECT_TRUE(fs_.sync_directory(path("a")).ok());
  EXPECT_TRUE(absl::IsNotFound(fs_.sync_directory(path("nothing"))));
  EXPECT_TRUE(absl::IsNotFound(fs_.remove(path("nothing"))));
  EXPECT_FALSE(fs_.remove(path("a")).ok());
  EXPECT_TRUE(fs_.remove(path("a/b/c")).ok());
  EXPECT_TRUE(*fs_.exists(path("a/f")));
  EXPECT_TRUE(fs_.remove_all(path("a")).ok());
  EXPECT_TRUE(fs_.remove_all(path("a")).ok());
  EXPECT_FALSE(*fs_.exists(path("a/f")));
}

TEST_F(PosixFileSystemTest, RenameReplaces) {
  ASSERT_TRUE((*fs_.open(path("a"), OpenMode::create))->write_at(0, "new").ok());
  ASSERT_TRUE((*fs_.open(path("b"), OpenMode::create))->write_at(0, "old").ok());
  ASSERT_TRUE(fs_.rename(path("a"), path("b")).ok());
  EXPECT_EQ(*env::read_file(fs_, path("b"), 100), "new");
  EXPECT_FALSE(*fs_.exists(path("a")));
  EXPECT_TRUE(absl::IsNotFound(fs_.rename(path("a"), path("b"))));
}

TEST_F(PosixFileSystemTest, LockExcludesOtherHoldersEvenInThisProcess) {
  auto first = *fs_.open(path("f"), OpenMode::create);
  auto second = *fs_.open(path("f"), OpenMode::read_write);
  ASSERT_TRUE(first->try_lock().ok());
  const absl::Status refused = second->try_lock();
  EXPECT_TRUE(absl::IsUnavailable(refused));
  EXPECT_EQ(message(refused), "lock " + path("f") + ": file already locked");
  // Another descriptor that closes does not end the lock (as a classic POSIX lock would).
  EXPECT_TRUE((*fs_.open(path("f"), OpenMode::read_write))->size().ok());
  EXPECT_TRUE(absl::IsUnavailable(second->try_lock()));
  first.reset();
  EXPECT_TRUE(second->try_lock().ok());
}

}  // namespace
}  // namespace holdfast::os
