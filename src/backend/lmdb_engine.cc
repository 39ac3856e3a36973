#include "backend/lmdb_engine.h"

#include <lmdb.h>
#include <sys/mman.h>
#include <sys/statvfs.h>

#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <mutex>

#include "backend/lmdb_env.h"
#include "backend/lmdb_pages.h"
#include "backend/long_keys.h"
#include "base/check.h"
#include "base/errors.h"
#include "base/text.h"
#include "fmt/format.h"

namespace holdfast::backend {
namespace {

constexpr std::string_view kLockSuffix = "-lock";
constexpr std::string_view kGuardSuffix = ".guard";
constexpr std::string_view kDefragmentSuffix = ".defrag";
constexpr std::string_view kSuccessorSuffix = ".successor";

std::string parent_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// LMDB calls a write that the disk took only in part EIO; where there is no room left, that is why.
int reason_for(int rc, const std::string& path) {
  constexpr uint64_t kRoomBytesMin = 1 << 20;
  struct statvfs space {};
  if (rc != EIO || statvfs(path.c_str(), &space) != 0) return rc;
  return space.f_bavail * space.f_frsize < kRoomBytesMin ? ENOSPC : rc;
}

class LmdbEngine;

class LmdbReader : public Engine::Reader {
 public:
  explicit LmdbReader(LmdbEngine& engine) : engine_(engine) {}
  ~LmdbReader() override { leave_env(); }

  void begin() override;
  void end() override;
  bool get(Bucket bucket, std::string_view key, std::string_view& value) override;
  void scan(Bucket bucket, std::string_view from, std::string_view to, Visitor visit) override;
  void scan_back(Bucket bucket, std::string_view before, Visitor visit) override;

 private:
  void leave_env() {
    if (txn_ != nullptr) mdb_txn_abort(std::exchange(txn_, nullptr));
    env_.reset();
  }
  void require(int rc, std::string_view operation);

  LmdbEngine& engine_;
  std::shared_ptr<LmdbEnv>
      env_;  // shared with the engine until a defragmentation replaces it there
  MDB_txn* txn_ = nullptr;
};

class LmdbWriter : public Engine::Writer {
 public:
  LmdbWriter(const LmdbEnv& env, MDB_txn* txn, std::string& last_key)
      : env_(env), txn_(txn), last_key_(last_key) {}
  ~LmdbWriter() override { close(); }

  void put(Bucket bucket, std::string_view key, std::string_view value) override;
  void erase(Bucket bucket, std::string_view key) override;
  void close() {
    if (cursor_ != nullptr) mdb_cursor_close(std::exchange(cursor_, nullptr));
  }
  int error() const { return error_; }

 private:
  void append(std::string_view key, std::string_view value);

  const LmdbEnv& env_;
  MDB_txn* txn_;
  std::string& last_key_;  // the greatest of Bucket::key
  MDB_cursor* cursor_ = nullptr;
  int error_ = 0;
};

class LmdbEngine : public Engine {
 public:
  LmdbEngine(LmdbOptions options, env::FileSystem& files, env::Process& process, Logger& log,
             std::shared_ptr<env::File> guard, std::shared_ptr<LmdbEnv> env)
      : options_(std::move(options)),
        files_(files),
        process_(process),
        log_(log),
        guard_(std::move(guard)),
        env_(std::move(env)) {
    current_ = env_.get();
    own_reader_ = std::make_unique<LmdbReader>(*this);
    read_last_key();
    find_map();
  }

  std::unique_ptr<Reader> make_reader() override { return std::make_unique<LmdbReader>(*this); }
  absl::Status commit(absl::FunctionRef<void(Writer&)> fill) override;
  EngineSizes sizes() override;
  absl::Status defragment() override;
  void expect_scan() override;
  void release_pages() override;
  absl::StatusOr<std::unique_ptr<Engine>> make_successor() override;
  absl::Status sync() override;
  absl::Status take_place_of(Engine& predecessor) override;
  void close() override {
    own_reader_.reset();
    current_ = nullptr;
    env_.reset();
    guard_.reset();
  }

  bool is_current(const LmdbEnv* env) const {
    return current_.load(std::memory_order_acquire) == env;
  }
  std::shared_ptr<LmdbEnv> current() {
    std::lock_guard lock(mutex_);
    return env_;
  }
  void die(const absl::Status& status) { process_.die(status.ToString()); }
  const std::string& path() const { return options_.path; }

 private:
  void read_last_key();
  void find_map();
  absl::StatusOr<std::shared_ptr<LmdbEnv>> make_compact_copy(const std::string& copy_path);

  LmdbOptions options_;  // a successor's path and sync change once, when it takes its place
  env::FileSystem& files_;
  env::Process& process_;
  Logger& log_;
  std::shared_ptr<env::File> guard_;  // shared with the predecessor, until that is destroyed
  std::atomic<const LmdbEnv*> current_;
  std::string last_key_;
  std::unique_ptr<LmdbReader> own_reader_;

  std::mutex mutex_;  // guards what follows
  std::shared_ptr<LmdbEnv> env_;
  char* map_begin_ = nullptr;
};

// --- reader ---

void LmdbReader::require(int rc, std::string_view operation) {
  if (rc != 0) engine_.die(lmdb_status(rc, operation, engine_.path()));
}

void LmdbReader::begin() {
  if (txn_ != nullptr) {
    if (engine_.is_current(env_.get())) return require(mdb_txn_renew(txn_), "renew read of");
    leave_env();
  }
  env_ = engine_.current();
  CHECK(env_ != nullptr, "the backend is closed");
  require(mdb_txn_begin(env_->env(), nullptr, MDB_RDONLY, &txn_), "begin read of");
}

void LmdbReader::end() {
  if (engine_.is_current(env_.get())) {
    mdb_txn_reset(txn_);
  } else {
    leave_env();  // so that the replaced file can be closed
  }
}

bool LmdbReader::get(Bucket bucket, std::string_view key, std::string_view& value) {
  int rc = 0;
  if (key.size() > kKeyBytesMax) {
    rc = long_get(txn_, env_->long_keys(), bucket, key, value);
  } else if (key.empty()) {
    rc = MDB_NOTFOUND;
  } else {
    MDB_val at = to_val(key);
    MDB_val found;
    rc = mdb_get(txn_, env_->dbi(bucket), &at, &found);
    if (rc == 0) value = to_view(found);
  }
  if (rc == MDB_NOTFOUND) return false;
  require(rc, "read");
  return true;
}

void LmdbReader::scan(Bucket bucket, std::string_view from, std::string_view to, Visitor visit) {
  std::map<std::string_view, std::string_view> long_entries;
  if (bucket != Bucket::key)
    require(long_all(txn_, env_->long_keys(), bucket, long_entries), "scan");
  auto other = long_entries.lower_bound(from);
  auto other_end = to.empty() ? long_entries.end() : long_entries.lower_bound(to);

  MDB_cursor* cursor = nullptr;
  require(mdb_cursor_open(txn_, env_->dbi(bucket), &cursor), "scan");
  MDB_val key = to_val(from.substr(0, kKeyBytesMax));
  MDB_val value;
  int rc = mdb_cursor_get(cursor, &key, &value, from.empty() ? MDB_FIRST : MDB_SET_RANGE);
  bool going = true;
  for (; rc == 0; rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
    const std::string_view at = to_view(key);
    if (at < from) continue;  // `from` itself may have been too long
    if (!to.empty() && at >= to) break;
    for (; going && other != other_end && other->first < at; ++other)
      going = visit(other->first, other->second);
    if (going) going = visit(at, to_view(value));
    if (!going) break;
  }
  mdb_cursor_close(cursor);
  if (rc != 0 && rc != MDB_NOTFOUND) require(rc, "scan");
  for (; going && other != other_end; ++other) going = visit(other->first, other->second);
}

void LmdbReader::scan_back(Bucket bucket, std::string_view before, Visitor visit) {
  CHECK(bucket == Bucket::key || before.empty());
  MDB_cursor* cursor = nullptr;
  require(mdb_cursor_open(txn_, env_->dbi(bucket), &cursor), "scan");
  MDB_val key = to_val(before);
  MDB_val value;
  int rc = MDB_NOTFOUND;
  if (!before.empty()) rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
  rc = mdb_cursor_get(cursor, &key, &value, rc == 0 ? MDB_PREV : MDB_LAST);
  while (rc == 0 && visit(to_view(key), to_view(value)))
    rc = mdb_cursor_get(cursor, &key, &value, MDB_PREV);
  mdb_cursor_close(cursor);
  if (rc != 0 && rc != MDB_NOTFOUND) require(rc, "scan");
}

// --- writer ---

void LmdbWriter::append(std::string_view key, std::string_view value) {
  if (cursor_ == nullptr) error_ = mdb_cursor_open(txn_, env_.dbi(Bucket::key), &cursor_);
  if (error_ != 0) return;
  MDB_val at = to_val(key);
  MDB_val bytes = to_val(value);
  const bool greatest = key > last_key_;
  error_ = mdb_cursor_put(cursor_, &at, &bytes, greatest ? MDB_APPEND : 0);
  if (greatest) last_key_.assign(key);
}

void LmdbWriter::put(Bucket bucket, std::string_view key, std::string_view value) {
  if (error_ != 0) return;
  if (bucket == Bucket::key) return append(key, value);
  if (key.size() > kKeyBytesMax) {
    error_ = long_put(txn_, env_.long_keys(), bucket, key, value);
    return;
  }
  MDB_val at = to_val(key);
  MDB_val bytes = to_val(value);
  error_ = mdb_put(txn_, env_.dbi(bucket), &at, &bytes, 0);
}

void LmdbWriter::erase(Bucket bucket, std::string_view key) {
  if (error_ != 0) return;
  if (key.size() > kKeyBytesMax) {
    error_ = long_erase(txn_, env_.long_keys(), bucket, key);
    return;
  }
  close();  // the append cursor isn't told of other changes to its pages
  MDB_val at = to_val(key);
  const int rc = mdb_del(txn_, env_.dbi(bucket), &at, nullptr);
  if (rc != MDB_NOTFOUND) error_ = rc;
}

// --- engine ---

absl::Status LmdbEngine::commit(absl::FunctionRef<void(Writer&)> fill) {
  MDB_txn* txn = nullptr;
  if (int rc = mdb_txn_begin(env_->env(), nullptr, 0, &txn); rc != 0)
    return lmdb_status(rc, "begin write of", options_.path);
  LmdbWriter writer(*env_, txn, last_key_);
  fill(writer);
  writer.close();
  if (writer.error() != 0) {
    mdb_txn_abort(txn);
    return lmdb_status(writer.error(), "write", options_.path);
  }
  return lmdb_status(reason_for(mdb_txn_commit(txn), options_.path), "commit", options_.path);
}

EngineSizes LmdbEngine::sizes() {
  MDB_txn* txn = nullptr;
  if (mdb_txn_begin(env_->env(), nullptr, MDB_RDONLY, &txn) != 0) return {};
  const EngineSizes sizes = env_->sizes(txn);
  mdb_txn_abort(txn);
  return sizes;
}

void LmdbEngine::read_last_key() {
  own_reader_->begin();
  own_reader_->scan_back(Bucket::key, {}, [&](std::string_view key, std::string_view) {
    last_key_.assign(key);
    return false;
  });
  own_reader_->end();
}

// LMDB doesn't tell where its map begins; the kernel does.
void LmdbEngine::find_map() {
  map_begin_ = nullptr;
  auto inside = env_->mapped_address();
  if (!inside.ok()) return;
  auto file = files_.open("/proc/self/maps", env::OpenMode::read);
  if (!file.ok()) return;
  std::string text;
  constexpr size_t kTextBytesMax = 16 << 20;
  constexpr size_t kChunkBytes = 64 << 10;
  while (text.size() < kTextBytesMax) {
    std::string chunk(kChunkBytes, '\0');
    auto got = (*file)->read_at(text.size(), chunk.data(), chunk.size());
    if (!got.ok() || *got == 0) break;
    text.append(chunk, 0, *got);
  }
  const auto address = reinterpret_cast<uintptr_t>(*inside);
  for (size_t line = 0; line < text.size();) {
    uintptr_t begin = 0, end = 0;
    const char* limit = text.data() + text.size();
    auto dash = std::from_chars(text.data() + line, limit, begin, 16);
    if (dash.ec == std::errc() && dash.ptr < limit) std::from_chars(dash.ptr + 1, limit, end, 16);
    if (begin <= address && address < end) {
      map_begin_ = reinterpret_cast<char*>(begin);
      return;
    }
    line = text.find('\n', line);
    if (line == std::string::npos) return;
    ++line;
  }
}

void LmdbEngine::expect_scan() {
  std::lock_guard lock(mutex_);
  if (env_ == nullptr || map_begin_ == nullptr) return;
  madvise(map_begin_, env_->counted_bytes(), MADV_SEQUENTIAL);
}

void LmdbEngine::release_pages() {
  std::lock_guard lock(mutex_);
  if (env_ == nullptr || map_begin_ == nullptr) return;
  // Only this process's mapping lets go; the page cache keeps the data, and a reader just maps it
  // again.
  madvise(map_begin_, env_->counted_bytes(), MADV_DONTNEED);
  madvise(map_begin_, env_->counted_bytes(), MADV_RANDOM);  // what MDB_NORDAHEAD asked for
}

absl::StatusOr<std::shared_ptr<LmdbEnv>> LmdbEngine::make_compact_copy(
    const std::string& copy_path) {
  if (int rc = mdb_env_copy2(env_->env(), copy_path.c_str(), MDB_CP_COMPACT); rc != 0)
    return lmdb_status(rc, "copy to", copy_path);
  if (options_.sync == Sync::yes) {
    auto file = files_.open(copy_path, env::OpenMode::read_write);
    if (!file.ok()) return file.status();
    if (absl::Status status = (*file)->sync(); !status.ok()) return status;
  }
  LmdbOptions options = options_;
  options.path = copy_path;
  return LmdbEnv::open(options);
}

absl::Status LmdbEngine::defragment() {
  const std::string copy_path = options_.path + std::string(kDefragmentSuffix);
  const std::string lock_suffix(kLockSuffix);
  auto remove_copy = [&] {
    (void)files_.remove_all(copy_path);
    (void)files_.remove_all(copy_path + lock_suffix);
  };
  const EngineSizes before = sizes();
  log_.info("defragmenting",
            {{"path", options_.path},
             {"current-db-size-bytes", before.file_bytes},
             {"current-db-size", human_bytes(before.file_bytes)},
             {"current-db-size-in-use-bytes", before.in_use_bytes},
             {"current-db-size-in-use", human_bytes(before.in_use_bytes)}});
  remove_copy();
  auto copy = make_compact_copy(copy_path);
  if (!copy.ok()) {
    remove_copy();
    return copy.status();
  }
  if (absl::Status status = files_.rename(copy_path, options_.path); !status.ok()) {
    copy->reset();
    remove_copy();
    return status;
  }
  // From here on the new file has the name: going back isn't possible.
  (void)files_.rename(copy_path + lock_suffix, options_.path + lock_suffix);
  if (options_.sync == Sync::yes) {
    if (absl::Status status = files_.sync_directory(parent_of(options_.path)); !status.ok())
      die(status);
  }
  std::shared_ptr<LmdbEnv> old;  // closed by the last reader that began on it
  {
    std::lock_guard lock(mutex_);
    old = std::exchange(env_, *std::move(copy));
    current_.store(env_.get(), std::memory_order_release);
    find_map();
  }
  const EngineSizes after = sizes();
  log_.info("finished defragmenting directory",
            {{"path", options_.path},
             {"current-db-size-bytes", after.file_bytes},
             {"current-db-size-in-use-bytes", after.in_use_bytes}});
  return absl::OkStatus();
}

// --- succession ---

void remove_file(env::FileSystem& files, const std::string& path) {
  (void)files.remove_all(path);
  (void)files.remove_all(path + std::string(kLockSuffix));
}

absl::StatusOr<std::unique_ptr<Engine>> LmdbEngine::make_successor() {
  LmdbOptions options = options_;
  options.path += kSuccessorSuffix;
  options.sync = Sync::no;
  remove_file(files_, options.path);
  auto env = LmdbEnv::open(options);
  if (!env.ok()) return env.status();
  // Our own lock keeps others away from its file as well.
  return std::make_unique<LmdbEngine>(options, files_, process_, log_, nullptr, *std::move(env));
}

absl::Status LmdbEngine::sync() {
  constexpr int kForce = 1;
  return lmdb_status(mdb_env_sync(env_->env(), kForce), "sync", options_.path);
}

absl::Status LmdbEngine::take_place_of(Engine& predecessor) {
  auto& before = static_cast<LmdbEngine&>(predecessor);
  if (before.env_ == nullptr)
    return make_status(absl::StatusCode::kUnavailable,
                       fmt::format("backend: {} is closed", before.options_.path));
  if (before.options_.sync == Sync::yes) {
    if (absl::Status status = sync(); !status.ok()) return status;
    constexpr int kOff = 0;
    const int rc = mdb_env_set_flags(env_->env(), MDB_NOSYNC, kOff);
    if (rc != 0) return lmdb_status(rc, "set flags of", options_.path);
  }
  const std::string& path = before.options_.path;
  if (absl::Status status = files_.rename(options_.path, path); !status.ok()) return status;
  // From here on our file has the name: going back isn't possible.
  const std::string lock_suffix(kLockSuffix);
  (void)files_.rename(options_.path + lock_suffix, path + lock_suffix);
  if (before.options_.sync == Sync::yes) {
    if (absl::Status status = files_.sync_directory(parent_of(path)); !status.ok()) die(status);
  }
  guard_ = before.guard_;
  options_ = before.options_;
  return absl::OkStatus();
}

// --- opening ---

absl::Status look_at_file(const std::string& path, env::FileSystem& files) {
  auto exists = files.exists(path);
  if (!exists.ok()) return exists.status();
  if (!*exists) return absl::OkStatus();
  auto file = files.open(path, env::OpenMode::read);
  if (!file.ok()) return file.status();
  return check_lmdb_file(**file, path);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Engine>> open_lmdb_engine(const LmdbOptions& options,
                                                         env::FileSystem& files,
                                                         env::Process& process, Logger& log) {
  auto guard = files.open(options.path + std::string(kGuardSuffix), env::OpenMode::create_or_open);
  if (!guard.ok()) return guard.status();
  if (absl::Status status = (*guard)->try_lock(); !status.ok()) {
    if (status.code() != absl::StatusCode::kUnavailable) return status;
    return make_status(status.code(),
                       fmt::format("backend: {} is in use by another process", options.path));
  }
  if (absl::Status status = look_at_file(options.path, files); !status.ok()) return status;
  for (const std::string_view suffix : {kDefragmentSuffix, kSuccessorSuffix})
    remove_file(files, options.path + std::string(suffix));
  auto env = LmdbEnv::open(options);
  if (!env.ok()) return env.status();
  // The name of a new file must survive as the file does.
  if (options.sync == Sync::yes) {
    if (absl::Status status = files.sync_directory(parent_of(options.path)); !status.ok())
      return status;
  }
  return std::make_unique<LmdbEngine>(options, files, process, log, *std::move(guard),
                                      *std::move(env));
}

}  // namespace holdfast::backend
