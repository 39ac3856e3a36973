#include "os/zap_logger.h"

#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <set>

#include "fmt/format.h"

namespace holdfast::os {
namespace {

// Local time as Go's layout "2006-01-02T15:04:05.000000Z0700".
void append_time(std::string& out, int64_t unix_nanoseconds) {
  const time_t seconds = unix_nanoseconds / 1'000'000'000;
  std::tm parts{};
  localtime_r(&seconds, &parts);
  fmt::format_to(std::back_inserter(out), "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}",
                 parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min,
                 parts.tm_sec, unix_nanoseconds / 1000 % 1'000'000);
  const long minutes = parts.tm_gmtoff / 60;
  if (minutes == 0) {
    out.push_back('Z');
  } else {
    const long size = minutes < 0 ? -minutes : minutes;
    fmt::format_to(std::back_inserter(out), "{}{:02}{:02}", minutes < 0 ? '-' : '+', size / 60,
                   size % 60);
  }
}

// The last two parts of the path, as zap shows callers.
std::string_view short_path(std::string_view path) {
  size_t slash = path.rfind('/');
  if (slash == std::string_view::npos || slash == 0) return path;
  slash = path.rfind('/', slash - 1);
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

void append_fields(std::string& out, const std::vector<LogField>& fields, std::string_view before) {
  for (const LogField& field : fields) {
    out += before;
    before = ",";
    append_json_string(out, field.name);
    out.push_back(':');
    out += field.json;
  }
}

uint32_t fnv1a(std::string_view text) {
  uint32_t hash = 2166136261u;
  for (char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 16777619u;
  return hash;
}

}  // namespace

ZapLogger::ZapLogger(ZapLoggerOptions options, std::vector<std::unique_ptr<LogOutput>> outputs,
                     const env::Clock& clock)
    : options_(std::move(options)),
      clock_(clock),
      outputs_(std::move(outputs)),
      samples_(std::make_unique<std::array<SampleSlot, kSampleSlots>>()),
      thread_([this] { run(); }) {}

ZapLogger::~ZapLogger() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  has_lines_.notify_one();
  thread_.join();
}

void ZapLogger::write(LogLevel level, std::string_view message, const std::vector<LogField>& fields,
                      const char* file, int line) {
  const int64_t now = clock_.unix_nanoseconds();
  const bool last_words = level >= LogLevel::panic;
  if (!last_words && sampled_out(level, message, now)) return;
  append(encode(level, message, fields, file, line, now));
  if (last_words) flush();
}

// Two threads that enter a new second together may both start the count: a line more or less is no matter.
bool ZapLogger::sampled_out(LogLevel level, std::string_view message, int64_t now_nanoseconds) {
  const uint32_t hash = fnv1a(message) * 31 + static_cast<uint32_t>(level);
  SampleSlot& slot = (*samples_)[hash % kSampleSlots];
  const int64_t second = now_nanoseconds / 1'000'000'000;
  if (slot.second.load(std::memory_order_relaxed) != second) {
    slot.second.store(second, std::memory_order_relaxed);
    slot.count.store(0, std::memory_order_relaxed);
  }
  const uint64_t nth = slot.count.fetch_add(1, std::memory_order_relaxed) + 1;
  return nth > kSampledFirst && (nth - kSampledFirst) % kSampledThen != 0;
}

std::string ZapLogger::encode(LogLevel level, std::string_view message,
                              const std::vector<LogField>& fields, const char* file, int line,
                              int64_t now_nanoseconds) const {
  std::string out;
  out.reserve(256);
  const std::string caller = fmt::format("{}:{}", short_path(file), line);
  if (options_.encoding == LogEncoding::console) {
    append_time(out, now_nanoseconds);
    fmt::format_to(std::back_inserter(out), "\t{}\t", to_string(level));
    if (!options_.name.empty()) out += options_.name + "\t";
    out += caller;
    out.push_back('\t');
    out += message;
    append_fields(out, fields, "\t{");
    out += fields.empty() ? "\n" : "}\n";
    return out;
  }
  fmt::format_to(std::back_inserter(out), R"({{"level":"{}","ts":")", to_string(level));
  append_time(out, now_nanoseconds);
  out.push_back('"');
  if (!options_.name.empty()) {
    out += R"(,"logger":)";
    append_json_string(out, options_.name);
  }
  out += R"(,"caller":)";
  append_json_string(out, caller);
  out += R"(,"msg":)";
  append_json_string(out, message);
  append_fields(out, fields, ",");
  out += "}\n";
  return out;
}

void ZapLogger::append(std::string line) {
  bool wake = false;
  {
    std::lock_guard lock(mutex_);
    if (pending_.size() + line.size() > kPendingBytesMax) {
      ++dropped_lines_;
      return;
    }
    wake = pending_.empty();
    pending_ += line;
    appended_ += line.size();
  }
  if (wake) has_lines_.notify_one();
}

void ZapLogger::flush() {
  std::unique_lock lock(mutex_);
  const uint64_t goal = appended_;
  has_written_.wait_for(lock, kFlushTimeout, [&] { return written_ >= goal; });
}

void ZapLogger::run() {
  std::string batch;
  std::unique_lock lock(mutex_);
  while (true) {
    has_lines_.wait(lock, [&] { return !pending_.empty() || stopping_; });
    if (pending_.empty()) return;
    batch.swap(pending_);
    const size_t size = batch.size();
    const uint64_t dropped = std::exchange(dropped_lines_, 0);
    lock.unlock();
    if (dropped > 0)
      batch += encode(LogLevel::warn, "dropped log lines because an output is slow",
                      {{"dropped-lines", dropped}}, __FILE__, __LINE__, clock_.unix_nanoseconds());
    for (const auto& output : outputs_) output->write(batch);
    batch.clear();
    lock.lock();
    written_ += size;
    has_written_.notify_all();
  }
}

absl::StatusOr<std::unique_ptr<ZapLogger>> open_zap_logger(const LogDestinations& destinations,
                                                           const ZapLoggerOptions& options,
                                                           const env::Clock& clock) {
  std::set<std::string> names;
  for (const std::string& name : destinations.outputs)
    names.insert(name == "default" ? "stderr" : name);
  if (names.count("/dev/null") > 0) names.clear();
  std::vector<std::unique_ptr<LogOutput>> outputs;
  for (const std::string& name : names) {
    if (name == "stderr" || name == "stdout") {
      outputs.push_back(log_to_descriptor(name == "stderr" ? STDERR_FILENO : STDOUT_FILENO));
      continue;
    }
    auto output = destinations.rotate ? log_to_rotated_file(name, destinations.rotation, clock)
                                      : log_to_file(name);
    if (!output.ok()) return output.status();
    outputs.push_back(*std::move(output));
  }
  return std::make_unique<ZapLogger>(options, std::move(outputs), clock);
}

}  // namespace holdfast::os
