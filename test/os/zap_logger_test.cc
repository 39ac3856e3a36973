#include "os/zap_logger.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <sstream>

namespace holdfast::os {
namespace {

class FixedClock final : public env::Clock {
 public:
  env::Instant now() const override { return {0}; }
  int64_t unix_nanoseconds() const override { return unix_.load(); }
  void advance(env::Duration by) { unix_ += by.count(); }

 private:
  std::atomic<int64_t> unix_{1'767'366'245'012'345'678};  // 2026-01-02T15:04:05.012345678Z
};

// Shared by the test, which reads, and the output inside the logger, which writes.
struct Lines {
  std::mutex mutex;
  std::string text;
  std::shared_future<void> gate;  // if valid: writes wait for it

  std::string get() {
    std::lock_guard lock(mutex);
    return text;
  }
};

class MemoryOutput final : public LogOutput {
 public:
  explicit MemoryOutput(Lines& lines) : lines_(lines) {}
  void write(std::string_view text) override {
    if (lines_.gate.valid()) lines_.gate.wait();
    std::lock_guard lock(lines_.mutex);
    lines_.text += text;
  }

 private:
  Lines& lines_;
};

class ZapLoggerTest : public ::testing::Test {
 protected:
  ZapLoggerTest() {
    setenv("TZ", "UTC", 1);
    tzset();
  }
  std::unique_ptr<ZapLogger> logger(ZapLoggerOptions options = {}) {
    std::vector<std::unique_ptr<LogOutput>> outputs;
    outputs.push_back(std::make_unique<MemoryOutput>(lines_));
    return std::make_unique<ZapLogger>(std::move(options), std::move(outputs), clock_);
  }

  FixedClock clock_;
  Lines lines_;
};

// TLS-12
TEST_F(ZapLoggerTest, JsonLine) {
  auto log = logger();
  log->info("ready to serve client requests", {{"id", MemberId{0xABCu}}, {"n", 3}, {"quote", "\"\n"}},
            {"/src/holdfast/src/server/member.cc", 42});
  log->flush();
  EXPECT_EQ(lines_.get(),
            R"({"level":"info","ts":"2026-01-02T15:04:05.012345Z","caller":"server/member.cc:42",)"
            R"("msg":"ready to serve client requests","id":"abc","n":3,"quote":"\"\n"})"
            "\n");
}

TEST_F(ZapLoggerTest, NameAndZone) {
  setenv("TZ", "XYZ-5:30", 1);
  tzset();
  auto log = logger({.name = "raft"});
  log->warn("x", {}, {"a.cc", 1});
  log->flush();
  EXPECT_EQ(lines_.get(), R"({"level":"warn","ts":"2026-01-02T20:34:05.012345+0530","logger":"raft",)"
                          R"("caller":"a.cc:1","msg":"x"})"
                          "\n");
}

TEST_F(ZapLoggerTest, ConsoleLine) {
  auto log = logger({.encoding = LogEncoding::console});
  log->error("failed", {{"error", "no"}}, {"b/a.cc", 1});
  log->error("plain", {}, {"b/a.cc", 2});
  log->flush();
  EXPECT_EQ(lines_.get(),
            "2026-01-02T15:04:05.012345Z\terror\tb/a.cc:1\tfailed\t{\"error\":\"no\"}\n"
            "2026-01-02T15:04:05.012345Z\terror\tb/a.cc:2\tplain\n");
}

TEST_F(ZapLoggerTest, Level) {
  auto log = logger({.level = LogLevel::error});
  EXPECT_FALSE(log->enabled(LogLevel::warn));
  EXPECT_TRUE(log->enabled(LogLevel::fatal));
  log->info("quiet");
  log->error("loud");
  log->flush();
  EXPECT_EQ(lines_.get().find("quiet"), std::string::npos);
  EXPECT_NE(lines_.get().find("loud"), std::string::npos);
}

size_t count(const std::string& text, std::string_view what) {
  size_t n = 0;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++n;
  return n;
}

// 100 in a second, then each 100th; a new second starts anew.
TEST_F(ZapLoggerTest, Sampling) {
  auto log = logger();
  for (int i = 0; i < 350; ++i) log->info("again");
  log->info("another");
  log->flush();
  EXPECT_EQ(count(lines_.get(), "again"), 102u);
  EXPECT_EQ(count(lines_.get(), "another"), 1u);
  clock_.advance(std::chrono::seconds(1));
  log->info("again");
  log->flush();
  EXPECT_EQ(count(lines_.get(), "again"), 103u);
}

TEST_F(ZapLoggerTest, StuckOutputDropsInsteadOfBlocking) {
  std::promise<void> open;
  lines_.gate = open.get_future().share();
  auto log = logger();
  const std::string big(1 << 20, 'x');
  for (int i = 0; i < 20; ++i) log->info(big + std::to_string(i));  // returns although nothing is written
  open.set_value();
  log->flush();
  log->info("after");
  log.reset();  // writes what is left
  const std::string text = lines_.get();
  EXPECT_LT(text.size(), ZapLogger::kPendingBytesMax * 2 + (2 << 20));
  EXPECT_EQ(count(text, "dropped log lines because an output is slow"), 1u);
  EXPECT_EQ(count(text, "after"), 1u);
}

TEST_F(ZapLoggerTest, LastWordsAreWrittenAtOnce) {
  auto log = logger();
  log->fatal("fsync failed");
  EXPECT_EQ(count(lines_.get(), "fsync failed"), 1u);
}

TEST_F(ZapLoggerTest, DestructorWritesWhatIsPending) {
  logger()->info("last");
  EXPECT_EQ(count(lines_.get(), "last"), 1u);
}

class LogFileTest : public ZapLoggerTest {
 protected:
  LogFileTest() {
    std::string pattern = std::filesystem::temp_directory_path() / "holdfast-log-XXXXXX";
    directory_ = mkdtemp(pattern.data());
  }
  ~LogFileTest() override { std::filesystem::remove_all(directory_); }
  std::string path(const std::string& name) const { return directory_ / name; }
  static std::string content(const std::string& path) {
    std::ostringstream out;
    out << std::ifstream(path).rdbuf();
    return out.str();
  }
  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(directory_))
      names.push_back(entry.path().filename());
    std::sort(names.begin(), names.end());
    return names;
  }

  std::filesystem::path directory_;
};

// TLS-13
TEST_F(LogFileTest, AppendsToFiles) {
  for (int i = 0; i < 2; ++i) {
    auto log = open_zap_logger({.outputs = {path("a.log"), path("b.log")}}, {}, clock_);
    ASSERT_TRUE(log.ok());
    (*log)->info("line");
  }
  EXPECT_EQ(count(content(path("a.log")), "line"), 2u);
  EXPECT_EQ(content(path("a.log")), content(path("b.log")));
  EXPECT_FALSE(open_zap_logger({.outputs = {path("none/a.log")}}, {}, clock_).ok());
}

TEST_F(LogFileTest, DevNullSilencesTheRest) {
  auto log = open_zap_logger({.outputs = {path("a.log"), "/dev/null"}}, {}, clock_);
  ASSERT_TRUE(log.ok());
  EXPECT_FALSE(std::filesystem::exists(path("a.log")));
}

TEST_F(LogFileTest, Rotation) {
  auto output = log_to_rotated_file(path("m.log"), {.size_bytes_max = 30, .backups_max = 2}, clock_);
  ASSERT_TRUE(output.ok());
  for (int i = 0; i < 5; ++i) {
    (*output)->write("0123456789 line one\nx\n");
    clock_.advance(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(names(), (std::vector<std::string>{"m-2026-01-02T15-04-05.015.log",
                                               "m-2026-01-02T15-04-05.016.log", "m.log"}));
  EXPECT_EQ(content(path("m.log")), "0123456789 line one\nx\n");
  EXPECT_EQ(content(path("m-2026-01-02T15-04-05.016.log")), "0123456789 line one\nx\n");
  struct stat info {};
  ASSERT_EQ(::stat(path("m.log").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(LogFileTest, OldBackupsGoAndNewOnesAreCompressed) {
  std::ofstream(path("m-2025-12-30T00-00-00.000.log")) << "old";
  std::ofstream(path("m-2025-12-31T00-00-00.000.log.gz")) << "old";
  std::ofstream(path("m-2026-01-01T00-00-00.000.log")) << "new";
  std::ofstream(path("m-else.log")) << "not ours";
  auto output = log_to_rotated_file(
      path("m.log"), {.size_bytes_max = 1, .age_days_max = 1, .compress = true}, clock_);
  ASSERT_TRUE(output.ok());
  (*output)->write("a\nb\n");
  EXPECT_EQ(names(),
            (std::vector<std::string>{"m-2026-01-01T00-00-00.000.log",
                                      "m-2026-01-02T15-04-05.012.log.gz", "m-else.log", "m.log"}));
  EXPECT_EQ(content(path("m-2026-01-02T15-04-05.012.log.gz")).substr(0, 2), "\x1f\x8b");
}

}  // namespace
}  // namespace holdfast::os
