// Log lines in the form of etcd's zap logger, which people's tools parse (parity TLS-12):
//   {"level":"info","ts":"2026-01-02T15:04:05.000000Z","caller":"server/raft_owner.cc:97","msg":"...","field":1}
// or, as console text, the same parts separated by tabs.
//
// The caller's thread makes the line and appends it to a buffer; a thread of the logger's own writes. A slow or stuck
// output therefore never stops the raft or apply owner: when the buffer is full, lines are dropped, counted, and the
// count is logged as soon as there is room. Lines of level panic and fatal wait until they are written, for at most
// kFlushTimeout.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "base/log.h"
#include "env/clock.h"
#include "os/log_output.h"

namespace holdfast::os {

enum class LogEncoding : uint8_t { json, console };

struct ZapLoggerOptions {
  LogLevel level = LogLevel::info;
  LogEncoding encoding = LogEncoding::json;
  std::string name;  // "logger" in each line, if not empty
};

class ZapLogger final : public Logger {
 public:
  // Some seconds of a log that is very busy.
  static constexpr size_t kPendingBytesMax = 4 << 20;
  // How long a dying process waits for its last words.
  static constexpr env::Duration kFlushTimeout = std::chrono::seconds(2);
  // As zap in etcd: of equal lines the first 100 in a second, then each 100th.
  static constexpr uint64_t kSampledFirst = 100;
  static constexpr uint64_t kSampledThen = 100;

  // `clock` must outlive the logger.
  ZapLogger(ZapLoggerOptions options, std::vector<std::unique_ptr<LogOutput>> outputs,
            const env::Clock& clock);
  ~ZapLogger() override;  // writes what is pending

  void write(LogLevel level, std::string_view message, const std::vector<LogField>& fields,
             const char* file, int line) override;
  bool enabled(LogLevel level) const override { return level >= options_.level; }

  // Waits until all lines written before are out, at most kFlushTimeout.
  void flush();

 private:
  struct SampleSlot {
    std::atomic<int64_t> second{0};
    std::atomic<uint64_t> count{0};
  };
  static constexpr size_t kSampleSlots = 4096;

  bool sampled_out(LogLevel level, std::string_view message, int64_t now_nanoseconds);
  std::string encode(LogLevel level, std::string_view message, const std::vector<LogField>& fields,
                     const char* file, int line, int64_t now_nanoseconds) const;
  void append(std::string line);
  void run();

  const ZapLoggerOptions options_;
  const env::Clock& clock_;
  const std::vector<std::unique_ptr<LogOutput>> outputs_;  // used by thread_ only
  const std::unique_ptr<std::array<SampleSlot, kSampleSlots>> samples_;

  std::mutex mutex_;
  std::condition_variable has_lines_;
  std::condition_variable has_written_;
  std::string pending_;         // guarded by mutex_
  uint64_t appended_ = 0;       // bytes ever; guarded by mutex_
  uint64_t written_ = 0;        // bytes ever; guarded by mutex_
  uint64_t dropped_lines_ = 0;  // not yet reported; guarded by mutex_
  bool stopping_ = false;       // guarded by mutex_

  std::thread thread_;
};

// What --log-outputs, --enable-log-rotation and their kin say. "default" and "stderr" are standard error; a list with
// /dev/null writes nothing.
struct LogDestinations {
  std::vector<std::string> outputs;
  bool rotate = false;
  RotationSettings rotation;
};
absl::StatusOr<std::unique_ptr<ZapLogger>> open_zap_logger(const LogDestinations& destinations,
                                                           const ZapLoggerOptions& options,
                                                           const env::Clock& clock);

}  // namespace holdfast::os
