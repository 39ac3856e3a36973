#include "sim/sim_disk.h"

#include <set>

#include "base/errors.h"
#include "gtest/gtest.h"

namespace holdfast::sim {
namespace {

using env::OpenMode;

std::string content(SimDisk& disk, const std::string& path) {
  auto bytes = env::read_file(disk, path, uint64_t{1} << 30);
  return bytes.ok() ? *bytes : std::string(message(bytes.status()));
}

// Makes /f with `bytes`, durable with its name.
std::unique_ptr<env::File> durable_file(SimDisk& disk, std::string_view bytes) {
  auto file = *disk.open("/f", OpenMode::create);
  EXPECT_TRUE(file->write_at(0, bytes).ok());
  EXPECT_TRUE(file->sync().ok());
  EXPECT_TRUE(disk.sync_directory("/").ok());
  return file;
}

TEST(SimDisk, BehavesAsAFileSystem) {
  SimDisk disk(1);
  EXPECT_TRUE(absl::IsNotFound(disk.open("/a/f", OpenMode::create).status()));
  ASSERT_TRUE(disk.create_directories("/a/b").ok());
  EXPECT_TRUE(absl::IsNotFound(disk.open("/a/f", OpenMode::read).status()));
  auto file = *disk.open("/a/f", OpenMode::create);
  EXPECT_TRUE(absl::IsAlreadyExists(disk.open("/a/f", OpenMode::create).status()));
  ASSERT_TRUE(file->write_at(5000, "hello").ok());
  EXPECT_EQ(*file->size(), 5005u);
  EXPECT_EQ(content(disk, "/a/f"), std::string(5000, '\0') + "hello");
  ASSERT_TRUE(file->truncate(5002).ok());
  ASSERT_TRUE(file->preallocate(6000).ok());
  EXPECT_EQ(content(disk, "/a/f"), std::string(5000, '\0') + "he" + std::string(998, '\0'));
  EXPECT_FALSE((*disk.open("/a/f", OpenMode::read))->write_at(0, "x").ok());
  EXPECT_EQ(*disk.list("/a"), (std::vector<std::string>{"b", "f"}));
  EXPECT_TRUE(*disk.is_directory("/a/b"));
  EXPECT_FALSE(*disk.is_directory("/a/f"));
  ASSERT_TRUE(disk.rename("/a/f", "/a/b/g").ok());
  EXPECT_FALSE(disk.remove("/a/b").ok());
  EXPECT_EQ(*file->size(), 6000u) << "an open file follows its rename";
  ASSERT_TRUE(disk.remove_all("/a").ok());
  ASSERT_TRUE(disk.remove_all("/a").ok());
  EXPECT_FALSE(*disk.exists("/a"));
  EXPECT_TRUE(absl::IsNotFound(disk.remove("/a")));
}

TEST(SimDisk, SyncedBytesAndNamesSurvive) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    SimDisk disk(seed);
    auto file = durable_file(disk, std::string(10'000, 'd'));
    disk.crash();
    EXPECT_EQ(content(disk, "/f"), std::string(10'000, 'd'));
    EXPECT_TRUE(absl::IsUnavailable(file->write_at(0, "x")));
  }
}

TEST(SimDisk, UnsyncedBytesAreTornBySectors) {
  int all = 0, none = 0, mixed = 0;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SimDisk disk(seed);
    auto file = durable_file(disk, std::string(8192, 'o'));
    ASSERT_TRUE(file->write_at(1000, std::string(4000, 'n')).ok());
    disk.crash();
    const std::string left = content(disk, "/f");
    ASSERT_EQ(left.size(), 8192u);
    std::string written(8192, 'o');
    written.replace(1000, 4000, std::string(4000, 'n'));
    bool differs_from_old = false, differs_from_new = false;
    for (size_t at = 0; at < left.size(); at += kSectorBytes) {
      const std::string sector = left.substr(at, kSectorBytes);
      const bool old = sector == std::string(kSectorBytes, 'o');
      const bool fresh = sector == written.substr(at, kSectorBytes);
      ASSERT_TRUE(old || fresh) << "sector at " << at << " is neither";
      differs_from_old |= !old;
      differs_from_new |= !fresh;
    }
    all += !differs_from_new;
    none += !differs_from_old;
    mixed += differs_from_new && differs_from_old;
    disk.crash();
    EXPECT_EQ(content(disk, "/f"), left) << "what a crash left is durable";
  }
  EXPECT_GT(all, 10);
  EXPECT_GT(none, 10);
  EXPECT_GT(mixed, 50);
}

TEST(SimDisk, UnsyncedLengthIsKeptLostOrBetween) {
  std::set<size_t> sizes;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    SimDisk disk(seed);
    auto file = durable_file(disk, "1234");
    ASSERT_TRUE(file->preallocate(5000).ok());
    disk.crash();
    const std::string left = content(disk, "/f");
    EXPECT_EQ(left.substr(0, 4), "1234");
    sizes.insert(left.size());
  }
  EXPECT_TRUE(sizes.contains(4));
  EXPECT_TRUE(sizes.contains(5000));
  EXPECT_GT(sizes.size(), 5u);
}

TEST(SimDisk, TruncationNotSyncedMayComeBack) {
  bool came_back = false, stayed_cut = false;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    SimDisk disk(seed);
    auto file = durable_file(disk, std::string(9000, 'x'));
    ASSERT_TRUE(file->truncate(100).ok());
    disk.crash();
    const std::string left = content(disk, "/f");
    EXPECT_EQ(left.substr(0, 100), std::string(100, 'x'));
    came_back |= left == std::string(9000, 'x');
    stayed_cut |= left.size() == 100;
  }
  EXPECT_TRUE(came_back);
  EXPECT_TRUE(stayed_cut);
}

TEST(SimDisk, NameOfASyncedFileNeedsTheDirectorySynced) {
  int kept = 0, lost = 0;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    SimDisk disk(seed);
    auto file = *disk.open("/f", OpenMode::create);
    ASSERT_TRUE(file->write_at(0, "data").ok());
    ASSERT_TRUE(file->sync().ok());
    disk.crash();
    if (*disk.exists("/f")) {
      EXPECT_EQ(content(disk, "/f"), "data");
      ++kept;
    } else {
      ++lost;
    }
  }
  EXPECT_GT(kept, 10);
  EXPECT_GT(lost, 10);
}

TEST(SimDisk, RenameIsKeptOrLostAsAWhole) {
  int renamed = 0, unchanged = 0;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    SimDisk disk(seed);
    durable_file(disk, "old");
    auto fresh = *disk.open("/fresh", OpenMode::create);
    ASSERT_TRUE(fresh->write_at(0, "new").ok());
    ASSERT_TRUE(fresh->sync().ok());
    ASSERT_TRUE(disk.sync_directory("/").ok());
    ASSERT_TRUE(disk.rename("/fresh", "/f").ok());
    disk.crash();
    if (content(disk, "/f") == "new") {
      EXPECT_FALSE(*disk.exists("/fresh"));
      ++renamed;
    } else {
      EXPECT_EQ(content(disk, "/f"), "old");
      EXPECT_EQ(content(disk, "/fresh"), "new");
      ++unchanged;
    }
  }
  EXPECT_GT(renamed, 10);
  EXPECT_GT(unchanged, 10);
}

TEST(SimDisk, DependentNameChangesNeverOutliveTheirCause) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SimDisk disk(seed);
    ASSERT_TRUE(disk.create_directories("/d.tmp").ok());
    ASSERT_TRUE(disk.open("/d.tmp/f", OpenMode::create).ok());
    ASSERT_TRUE(disk.rename("/d.tmp", "/d").ok());
    ASSERT_TRUE(disk.open("/d/g", OpenMode::create).ok());
    disk.crash();
    EXPECT_FALSE(*disk.exists("/d") && *disk.exists("/d.tmp"));
  }
}

TEST(SimDisk, SyncOfADirectoryKeepsARenameInto) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    SimDisk disk(seed);
    ASSERT_TRUE(disk.create_directories("/a").ok());
    ASSERT_TRUE(disk.create_directories("/b").ok());
    ASSERT_TRUE(disk.sync_directory("/").ok());
    ASSERT_TRUE(disk.open("/a/f", OpenMode::create).ok());
    ASSERT_TRUE(disk.rename("/a/f", "/b/f").ok());
    ASSERT_TRUE(disk.sync_directory("/b").ok());
    disk.crash();
    EXPECT_TRUE(*disk.exists("/b/f"));
    EXPECT_FALSE(*disk.exists("/a/f"));
  }
}

TEST(SimDisk, AfterAFailedSyncTheBytesAreGoneForGood) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    SimDisk disk(seed);
    auto file = durable_file(disk, "old");
    ASSERT_TRUE(file->write_at(0, "new").ok());
    disk.set_faults({.sync_error_ppm = 1'000'000});
    EXPECT_EQ(file->sync_data().code(), absl::StatusCode::kDataLoss);
    disk.set_faults({});
    ASSERT_TRUE(file->sync_data().ok()) << "the kernel has forgotten";
    EXPECT_EQ(content(disk, "/f"), "new") << "and still shows it";
    disk.crash();
    EXPECT_EQ(content(disk, "/f"), "old");
  }
}

TEST(SimDisk, LostSyncAnswersOk) {
  bool lost = false;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    SimDisk disk(seed);
    auto file = durable_file(disk, "old");
    disk.set_faults({.lost_sync_ppm = 1'000'000});
    ASSERT_TRUE(file->write_at(0, "new").ok());
    ASSERT_TRUE(file->sync_data().ok());
    disk.crash();
    lost |= content(disk, "/f") == "old";
  }
  EXPECT_TRUE(lost);
}

// A sync that is under way when the power fails has promised nothing yet.
TEST(SimDisk, ASyncThatHasNotReturnedKeepsNothing) {
  for (const bool returned : {true, false}) {
    SimDisk disk(1);
    env::Instant returns{0};
    disk.set_return_time([&] { return returns; });
    auto file = durable_file(disk, "old!");
    returns = env::Instant{100};
    ASSERT_TRUE(file->write_at(0, "newer").ok() && file->sync_data().ok());
    disk.crash(SimDisk::Unsynced::gone, env::Instant{returned ? 100 : 99});
    EXPECT_EQ(content(disk, "/f"), returned ? "newer" : "old!");
  }
}

TEST(SimDisk, NamesAreNotSafeBeforeTheSyncOfTheirDirectoryReturns) {
  for (const bool returned : {true, false}) {
    SimDisk disk(1);
    env::Instant returns{0};
    disk.set_return_time([&] { return returns; });
    auto file = durable_file(disk, "f");
    auto other = *disk.open("/g", env::OpenMode::create);
    ASSERT_TRUE(other->write_at(0, "g").ok() && other->sync().ok() && disk.rename("/g", "/f").ok());
    returns = env::Instant{100};
    ASSERT_TRUE(disk.sync_directory("/").ok());
    disk.crash(SimDisk::Unsynced::gone, env::Instant{returned ? 100 : 99});
    EXPECT_EQ(content(disk, "/f"), returned ? "g" : "f");
    EXPECT_FALSE(*disk.exists("/g"));
  }
}

// What it made up for is still only a promise of the disk.
TEST(SimDisk, ASyncThatHasNotReturnedTakesBackNoEarlierOne) {
  for (const bool lost : {true, false}) {
    SimDisk disk(1);
    env::Instant returns{0};
    disk.set_return_time([&] { return returns; });
    auto file = durable_file(disk, "old!");
    disk.set_faults({.lost_sync_ppm = 1'000'000});
    ASSERT_TRUE(file->write_at(0, "newer").ok() && file->sync_data().ok());
    disk.set_faults({});
    returns = env::Instant{100};
    ASSERT_TRUE(file->write_at(0, "last!").ok() && file->sync_data().ok());
    if (!lost) disk.write_back(env::Instant{99});
    disk.crash(SimDisk::Unsynced::gone, env::Instant{99});
    EXPECT_EQ(content(disk, "/f"), lost ? "old!" : "last!");
  }
}

// A task does one thing after the other: what it did last shows that what it did before was done.
TEST(SimDisk, ASyncHasReturnedWhenSomethingElseBegins) {
  SimDisk disk(1);
  disk.set_return_time([] { return env::Instant{100}; });
  auto file = durable_file(disk, "old!");
  ASSERT_TRUE(file->write_at(0, "newer").ok() && file->sync_data().ok() && file->write_at(0, "last!").ok());
  disk.crash(SimDisk::Unsynced::gone, env::Instant{50});
  EXPECT_EQ(content(disk, "/f"), "newer");
}

TEST(SimDisk, NothingHappensOnceTheProcessHasEnded) {
  SimDisk disk(1);
  auto file = durable_file(disk, "as it was");
  disk.halt();
  EXPECT_TRUE(absl::IsUnavailable(file->write_at(0, "x")));
  EXPECT_TRUE(absl::IsUnavailable(disk.remove("/f")));
  disk.end_process();
  EXPECT_EQ(content(disk, "/f"), "as it was");
  EXPECT_TRUE(disk.remove("/f").ok());
}

TEST(SimDisk, LostSyncsAreWrittenBackOrGone) {
  for (const bool in_time : {true, false}) {
    SimDisk disk(1);
    auto file = durable_file(disk, "old");
    disk.set_faults({.lost_sync_ppm = 1'000'000});
    ASSERT_TRUE(file->write_at(0, "new!").ok());
    ASSERT_TRUE(file->sync_data().ok());
    auto other = *disk.open("/g", env::OpenMode::create);
    ASSERT_TRUE(other->write_at(0, "g").ok() && other->sync().ok() && disk.sync_directory("/").ok());
    if (in_time) disk.write_back();
    disk.crash(SimDisk::Unsynced::gone);
    EXPECT_EQ(content(disk, "/f"), in_time ? "new!" : "old");
    EXPECT_EQ(*disk.exists("/g"), in_time);
  }
}

TEST(SimDisk, ErrorsAndCapacity) {
  SimDisk disk(3);
  auto file = durable_file(disk, "1234");
  disk.set_faults({.read_error_ppm = 1'000'000, .write_error_ppm = 1'000'000});
  char c;
  EXPECT_EQ(file->read_at(0, &c, 1).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(file->write_at(0, "x").code(), absl::StatusCode::kDataLoss);
  disk.set_faults({.capacity_bytes = 10});
  EXPECT_TRUE(file->write_at(4, "5678").ok());
  EXPECT_TRUE(absl::IsResourceExhausted(file->write_at(8, "abcd")));
  EXPECT_EQ(*file->size(), 10u) << "what fits was written";
  EXPECT_TRUE(absl::IsResourceExhausted(file->preallocate(11)));
  EXPECT_TRUE(file->write_at(0, "ABCD").ok()) << "overwriting needs no space";
  EXPECT_EQ(disk.used_bytes(), 10u);
}

TEST(SimDisk, LocksEndWithTheFileTheProcessAndTheCrash) {
  SimDisk disk(1);
  auto first = *disk.open("/f", OpenMode::create);
  ASSERT_TRUE(first->try_lock().ok());
  ASSERT_TRUE(first->try_lock().ok());
  auto second = *disk.open("/f", OpenMode::read_write);
  EXPECT_TRUE(absl::IsUnavailable(second->try_lock()));
  first.reset();
  EXPECT_TRUE(second->try_lock().ok());
  disk.end_process();
  EXPECT_TRUE(absl::IsUnavailable(second->write_at(0, "x")));
  auto third = *disk.open("/f", OpenMode::read_write);
  EXPECT_TRUE(third->try_lock().ok());
  second.reset();  // of an ended process; must not free the third's lock
  EXPECT_TRUE(absl::IsUnavailable((*disk.open("/f", OpenMode::read_write))->try_lock()));
}

TEST(SimDisk, EndOfProcessLosesNothing) {
  SimDisk disk(1);
  ASSERT_TRUE((*disk.open("/f", OpenMode::create))->write_at(0, "data").ok());
  disk.end_process();
  EXPECT_EQ(content(disk, "/f"), "data");
}

TEST(SimDisk, CloneIsIndependent) {
  SimDisk disk(1);
  auto file = durable_file(disk, "one");
  ASSERT_TRUE(file->write_at(0, "two").ok());
  auto copy = disk.clone(5);
  ASSERT_TRUE(file->write_at(0, "six").ok());
  EXPECT_EQ(content(*copy, "/f"), "two");
  copy->crash();
  EXPECT_TRUE(content(*copy, "/f") == "one" || content(*copy, "/f") == "two");
  ASSERT_TRUE((*copy->open("/f", OpenMode::read_write))->write_at(0, "ten").ok());
  EXPECT_EQ(content(disk, "/f"), "six");
  copy->wipe();
  EXPECT_FALSE(*copy->exists("/f"));
}

TEST(SimDisk, FlippedBitIsThereBeforeAndAfterACrash) {
  SimDisk disk(1);
  durable_file(disk, "a");
  disk.flip_bit("/f", 0, 1);
  EXPECT_EQ(content(disk, "/f"), "c");
  disk.crash();
  EXPECT_EQ(content(disk, "/f"), "c");
}

TEST(SimDisk, HookAndLatency) {
  SimDisk disk(1);
  auto file = durable_file(disk, "x");
  disk.set_latency([](const DiskOperation& op) {
    return op.action == DiskAction::sync ? std::chrono::milliseconds(7) : std::chrono::milliseconds(0);
  });
  ASSERT_TRUE(file->sync().ok());
  ASSERT_TRUE(file->sync().ok());
  EXPECT_EQ(disk.take_busy_time(), std::chrono::milliseconds(14));
  EXPECT_EQ(disk.take_busy_time(), std::chrono::milliseconds(0));
  std::string seen;
  disk.set_hook([&](const DiskOperation& op) {
    seen = std::string(op.path);
    return absl::UnknownError("hooked");
  });
  EXPECT_EQ(message(file->write_at(0, "y")), "hooked");
  EXPECT_EQ(seen, "/f");
}

TEST(SimDisk, SameSeedSameOutcome) {
  const auto run = [](uint64_t seed) {
    SimDisk disk(seed);
    std::string all;
    for (int i = 0; i < 10; ++i) {
      auto file = *disk.open("/f" + std::to_string(i), OpenMode::create_or_open);
      EXPECT_TRUE(file->write_at(i * 300, std::string(3000, static_cast<char>('a' + i))).ok());
      disk.crash();
      for (const std::string& path : disk.files_under("/")) all += path + content(disk, path);
    }
    return all;
  };
  EXPECT_EQ(run(42), run(42));
  EXPECT_NE(run(42), run(43));
}

}  // namespace
}  // namespace holdfast::sim
