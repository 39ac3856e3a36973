#include "os/posix_file_system.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "base/errors.h"
#include "fmt/format.h"

namespace holdfast::os {

namespace {

constexpr mode_t kFileMode = 0600;
constexpr mode_t kDirectoryMode = 0700;

absl::StatusCode code_of(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return absl::StatusCode::kNotFound;
    case EEXIST:
    case ENOTEMPTY:
      return absl::StatusCode::kAlreadyExists;
    case ENOSPC:
    case EDQUOT:
      return absl::StatusCode::kResourceExhausted;
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::StatusCode::kPermissionDenied;
    case EIO:
      return absl::StatusCode::kDataLoss;
    default:
      return absl::StatusCode::kUnknown;
  }
}

template <class Call>
auto repeat_interrupted(Call call) {
  decltype(call()) result;
  do {
    result = call();
  } while (result < 0 && errno == EINTR);
  return result;
}

class PosixFile final : public env::File {
 public:
  PosixFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  ~PosixFile() override { ::close(fd_); }  // never repeated: the descriptor is gone even after EINTR

  absl::StatusOr<size_t> read_at(uint64_t offset, char* buffer, size_t size) override {
    size_t done = 0;
    while (done < size) {
      const ssize_t n = repeat_interrupted([&] {
        return ::pread(fd_, buffer + done, size - done, static_cast<off_t>(offset + done));
      });
      if (n < 0) return errno_status(errno, "read", path_);
      if (n == 0) break;
      done += static_cast<size_t>(n);
    }
    return done;
  }

  absl::Status write_at(uint64_t offset, std::string_view data) override {
    while (!data.empty()) {
      const ssize_t n = repeat_interrupted(
          [&] { return ::pwrite(fd_, data.data(), data.size(), static_cast<off_t>(offset)); });
      if (n < 0) return errno_status(errno, "write", path_);
      data.remove_prefix(static_cast<size_t>(n));
      offset += static_cast<uint64_t>(n);
    }
    return absl::OkStatus();
  }

  absl::StatusOr<uint64_t> size() override {
    struct stat info;
    if (::fstat(fd_, &info) != 0) return errno_status(errno, "stat", path_);
    return static_cast<uint64_t>(info.st_size);
  }

  absl::Status truncate(uint64_t size) override {
    return done(repeat_interrupted([&] { return ::ftruncate(fd_, static_cast<off_t>(size)); }),
                "truncate");
  }

  absl::Status preallocate(uint64_t size) override {
    if (size == 0) return absl::OkStatus();  // fallocate refuses it
    if (repeat_interrupted([&] { return ::fallocate(fd_, 0, 0, static_cast<off_t>(size)); }) == 0)
      return absl::OkStatus();
    if (errno != EOPNOTSUPP && errno != ENOSYS) return errno_status(errno, "fallocate", path_);
    // A file system that cannot reserve: at least the length is there.
    const absl::StatusOr<uint64_t> now = this->size();
    if (!now.ok()) return now.status();
    return *now >= size ? absl::OkStatus() : truncate(size);
  }

  absl::Status sync() override {
    return done(repeat_interrupted([&] { return ::fsync(fd_); }), "fsync");
  }
  absl::Status sync_data() override {
    return done(repeat_interrupted([&] { return ::fdatasync(fd_); }), "fdatasync");
  }

  absl::Status settle() override {
    if (absl::Status s = sync(); !s.ok()) return s;
    // Advice only: a file system that keeps its cache, as one in memory does, has nothing else to show.
    (void)::posix_fadvise(fd_, 0, 0, POSIX_FADV_DONTNEED);
    return absl::OkStatus();
  }

  absl::Status try_lock() override {
    struct flock whole = {};
    whole.l_type = F_WRLCK;
    whole.l_whence = SEEK_SET;
    if (repeat_interrupted([&] { return ::fcntl(fd_, F_OFD_SETLK, &whole); }) == 0)
      return absl::OkStatus();
    if (errno == EAGAIN || errno == EACCES)
      return make_status(absl::StatusCode::kUnavailable,
                         fmt::format("lock {}: file already locked", path_));
    return errno_status(errno, "lock", path_);
  }

 private:
  absl::Status done(int result, std::string_view operation) {
    return result == 0 ? absl::OkStatus() : errno_status(errno, operation, path_);
  }

  const int fd_;
  const std::string path_;
};

int flags_of(env::OpenMode mode) {
  switch (mode) {
    case env::OpenMode::read:
      return O_RDONLY;
    case env::OpenMode::read_write:
      return O_RDWR;
    case env::OpenMode::create:
      return O_RDWR | O_CREAT | O_EXCL;
    case env::OpenMode::create_or_open:
      return O_RDWR | O_CREAT;
  }
  return O_RDONLY;
}

absl::StatusOr<struct stat> stat_of(const std::string& path) {
  struct stat info;
  if (::stat(path.c_str(), &info) != 0) return errno_status(errno, "stat", path);
  return info;
}

}  // namespace

absl::Status errno_status(int error, std::string_view operation, std::string_view path) {
  char text[128];
  return make_status(code_of(error), fmt::format("{} {}: {}", operation, path,
                                                 ::strerror_r(error, text, sizeof(text))));
}

absl::StatusOr<std::unique_ptr<env::File>> PosixFileSystem::open(const std::string& path,
                                                                 env::OpenMode mode) {
  const int fd = repeat_interrupted(
      [&] { return ::open(path.c_str(), flags_of(mode) | O_CLOEXEC, kFileMode); });
  if (fd < 0) return errno_status(errno, "open", path);
  return std::make_unique<PosixFile>(fd, path);
}

absl::Status PosixFileSystem::rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0)
    return errno_status(errno, "rename", fmt::format("{} to {}", from, to));
  return absl::OkStatus();
}

absl::Status PosixFileSystem::remove(const std::string& path) {
  if (::remove(path.c_str()) != 0) return errno_status(errno, "remove", path);
  return absl::OkStatus();
}

absl::Status PosixFileSystem::remove_all(const std::string& path) {
  std::error_code error;
  std::filesystem::remove_all(path, error);
  if (error && error.value() != ENOENT) return errno_status(error.value(), "remove", path);
  return absl::OkStatus();
}

absl::Status PosixFileSystem::create_directories(const std::string& path) {
  for (size_t end = path.find('/', 1); !path.empty(); end = path.find('/', end + 1)) {
    const std::string part = path.substr(0, end);
    if (::mkdir(part.c_str(), kDirectoryMode) != 0 && errno != EEXIST) {
      const int error = errno;
      // A parent that we may not write to but that is there is no obstacle.
      const absl::StatusOr<struct stat> info = stat_of(part);
      if (!info.ok()) return errno_status(error, "mkdir", part);
    }
    if (end == std::string::npos) break;
  }
  const absl::StatusOr<bool> made = is_directory(path);
  if (!made.ok()) return made.status();
  return *made ? absl::OkStatus() : errno_status(EEXIST, "mkdir", path);
}

absl::Status PosixFileSystem::sync_directory(const std::string& path) {
  const int fd = repeat_interrupted(
      [&] { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
  if (fd < 0) return errno_status(errno, "open", path);
  const int result = repeat_interrupted([&] { return ::fsync(fd); });
  const int error = errno;
  ::close(fd);
  return result == 0 ? absl::OkStatus() : errno_status(error, "fsync", path);
}

absl::StatusOr<std::vector<std::string>> PosixFileSystem::list(const std::string& path) {
  DIR* directory = ::opendir(path.c_str());
  if (directory == nullptr) return errno_status(errno, "list", path);
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(directory)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
    errno = 0;
  }
  const int error = errno;
  ::closedir(directory);
  if (error != 0) return errno_status(error, "list", path);
  std::sort(names.begin(), names.end());
  return names;
}

absl::StatusOr<bool> PosixFileSystem::exists(const std::string& path) {
  const absl::StatusOr<struct stat> info = stat_of(path);
  if (absl::IsNotFound(info.status())) return false;
  if (!info.ok()) return info.status();
  return true;
}

absl::StatusOr<bool> PosixFileSystem::is_directory(const std::string& path) {
  const absl::StatusOr<struct stat> info = stat_of(path);
  if (absl::IsNotFound(info.status())) return false;
  if (!info.ok()) return info.status();
  return S_ISDIR(info->st_mode);
}

}  // namespace holdfast::os
