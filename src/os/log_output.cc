#include "os/log_output.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <filesystem>
#include <optional>
#include <vector>

#include "fmt/format.h"
#include "os/posix_file_system.h"

namespace holdfast::os {
namespace {

void write_all(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(descriptor, bytes.data(), bytes.size());
    if (n >= 0) {
      bytes.remove_prefix(static_cast<size_t>(n));
    } else if (errno == EAGAIN) {  // a pipe that somebody made non-blocking
      pollfd wait{descriptor, POLLOUT, 0};
      ::poll(&wait, 1, -1);
    } else if (errno != EINTR) {
      return;
    }
  }
}

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() { close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int number() const { return number_; }
  bool is_open() const { return number_ >= 0; }
  void reset(int number) {
    close();
    number_ = number;
  }
  void close() {
    if (number_ >= 0) ::close(number_);
    number_ = -1;
  }

 private:
  int number_;
};

int open_for_append(const std::string& path, mode_t mode) {
  return ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, mode);
}

class DescriptorOutput final : public LogOutput {
 public:
  explicit DescriptorOutput(int descriptor) : descriptor_(descriptor) {}
  void write(std::string_view lines) override { write_all(descriptor_, lines); }

 private:
  const int descriptor_;
};

class FileOutput final : public LogOutput {
 public:
  explicit FileOutput(int descriptor) : file_(descriptor) {}
  void write(std::string_view lines) override { write_all(file_.number(), lines); }

 private:
  Descriptor file_;
};

// Writes `path`.gz beside `path` and removes `path`; leaves it as it is when that fails.
void compress_file(const std::filesystem::path& path) {
  const std::string target = path.string() + ".gz";
  Descriptor source(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!source.is_open()) return;
  gzFile zipped = gzopen(target.c_str(), "wb");
  bool good = zipped != nullptr;
  std::vector<char> buffer(64 << 10);
  while (good) {
    const ssize_t n = ::read(source.number(), buffer.data(), buffer.size());
    if (n == 0) break;
    good = n > 0 && gzwrite(zipped, buffer.data(), static_cast<unsigned>(n)) == n;
  }
  if (zipped != nullptr) good = gzclose(zipped) == Z_OK && good;
  std::error_code ignored;
  std::filesystem::remove(good ? path : std::filesystem::path(target), ignored);
}

class RotatedOutput final : public LogOutput {
 public:
  RotatedOutput(std::filesystem::path path, const RotationSettings& settings,
                const env::Clock& clock)
      : path_(std::move(path)), settings_(settings), clock_(clock) {}

  absl::Status open() {
    std::error_code ignored;
    if (path_.has_parent_path()) std::filesystem::create_directories(path_.parent_path(), ignored);
    file_.reset(open_for_append(path_.string(), 0600));
    if (!file_.is_open()) return errno_status(errno, "open", path_.string());
    struct stat info {};
    size_ = ::fstat(file_.number(), &info) == 0 ? static_cast<uint64_t>(info.st_size) : 0;
    return absl::OkStatus();
  }

  void write(std::string_view lines) override {
    while (!lines.empty()) {
      const size_t end = lines.find('\n');
      const std::string_view line =
          lines.substr(0, end == std::string_view::npos ? lines.size() : end + 1);
      lines.remove_prefix(line.size());
      if (size_ > 0 && size_ + line.size() > settings_.size_bytes_max) rotate();
      write_all(file_.number(), line);
      size_ += line.size();
    }
  }

 private:
  // "2006-01-02T15-04-05.000", the form of lumberjack, which etcd's log rotation is.
  std::string timestamp() const {
    const int64_t now = clock_.unix_nanoseconds();
    const time_t seconds = now / 1'000'000'000;
    std::tm parts{};
    settings_.local_time ? localtime_r(&seconds, &parts) : gmtime_r(&seconds, &parts);
    return fmt::format("{:04}-{:02}-{:02}T{:02}-{:02}-{:02}.{:03}", parts.tm_year + 1900,
                       parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                       now / 1'000'000 % 1000);
  }

  void rotate() {
    file_.close();
    const std::filesystem::path backup =
        path_.parent_path() /
        fmt::format("{}-{}{}", path_.stem().string(), timestamp(), path_.extension().string());
    std::error_code error;
    std::filesystem::rename(path_, backup, error);
    (void)open();  // a file that can't be opened again swallows the lines until the next rotation
    size_ = error ? 0 : size_;
    if (settings_.compress && !error) compress_file(backup);
    remove_old_backups();
  }

  // Days since the epoch of the name's time; nothing if the name is no backup of this file.
  std::optional<int64_t> day_of(const std::string& name) const {
    const std::string prefix = path_.stem().string() + "-";
    if (name.rfind(prefix, 0) != 0) return std::nullopt;
    std::tm parts{};
    const char* rest = strptime(name.c_str() + prefix.size(), "%Y-%m-%dT%H-%M-%S", &parts);
    if (rest == nullptr || *rest != '.') return std::nullopt;
    return timegm(&parts) / 86'400;
  }

  void remove_old_backups() {
    if (settings_.age_days_max == 0 && settings_.backups_max == 0) return;
    std::error_code error;
    std::vector<std::string> names;  // their order is the order of time
    const auto directory = path_.has_parent_path() ? path_.parent_path() : ".";
    for (const auto& entry : std::filesystem::directory_iterator(directory, error))
      if (day_of(entry.path().filename().string())) names.push_back(entry.path().filename());
    std::sort(names.begin(), names.end());
    const int64_t today = clock_.unix_nanoseconds() / 86'400'000'000'000;
    for (size_t i = 0; i < names.size(); ++i) {
      const auto newer = static_cast<int64_t>(names.size() - i - 1);
      const bool too_many = settings_.backups_max > 0 && newer >= settings_.backups_max;
      const bool too_old =
          settings_.age_days_max > 0 && today - *day_of(names[i]) > settings_.age_days_max;
      if (too_many || too_old) std::filesystem::remove(directory / names[i], error);
    }
  }

  const std::filesystem::path path_;
  const RotationSettings settings_;
  const env::Clock& clock_;
  Descriptor file_{-1};
  uint64_t size_ = 0;
};

}  // namespace

std::unique_ptr<LogOutput> log_to_descriptor(int descriptor) {
  return std::make_unique<DescriptorOutput>(descriptor);
}

absl::StatusOr<std::unique_ptr<LogOutput>> log_to_file(const std::string& path) {
  const int descriptor = open_for_append(path, 0644);
  if (descriptor < 0) return errno_status(errno, "open", path);
  return std::make_unique<FileOutput>(descriptor);
}

absl::StatusOr<std::unique_ptr<LogOutput>> log_to_rotated_file(const std::string& path,
                                                               const RotationSettings& settings,
                                                               const env::Clock& clock) {
  auto output = std::make_unique<RotatedOutput>(path, settings, clock);
  if (auto status = output->open(); !status.ok()) return status;
  return output;
}

}  // namespace holdfast::os
