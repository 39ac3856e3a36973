// What a Backend needs of a storage engine: ordered buckets of bytes, one writer whose transactions
// are atomic and durable, readers with snapshots. LmdbEngine (lmdb_engine.h) is the real one,
// MemoryEngine (memory_engine.h) the simulator's.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backend/bucket.h"

namespace holdfast::backend {

struct EngineSizes {
  int64_t file_bytes = 0;    // what the file takes (BKT-15 dbSize)
  int64_t in_use_bytes = 0;  // without free pages (dbSizeInUse)
};

// Visitors return false to stop.
using Visitor = absl::FunctionRef<bool(std::string_view key, std::string_view value)>;

class Engine {
 public:
  virtual ~Engine() = default;

  // One thread at a time (it may move between threads). Between begin() and end() all reads see one
  // committed state, at least as new as the last commit() that returned before begin(). Views
  // returned are valid until end().
  class Reader {
   public:
    virtual ~Reader() = default;
    virtual void begin() = 0;
    virtual void end() = 0;
    virtual bool get(Bucket bucket, std::string_view key, std::string_view& value) = 0;
    // Ascending keys in [from, to); an empty `to` means no upper bound.
    virtual void scan(Bucket bucket, std::string_view from, std::string_view to, Visitor visit) = 0;
    // Descending keys < before (empty: from the end).
    virtual void scan_back(Bucket bucket, std::string_view before, Visitor visit) = 0;
  };
  // Thread-safe; the engine outlives its readers.
  virtual std::unique_ptr<Reader> make_reader() = 0;

  class Writer {
   public:
    virtual ~Writer() = default;
    virtual void put(Bucket bucket, std::string_view key, std::string_view value) = 0;
    virtual void erase(Bucket bucket, std::string_view key) = 0;  // absent: nothing
  };
  // One write transaction: calls `fill` once, then makes everything durable. After an error nothing
  // of it is there, and nothing further may be written (the caller ends the process). Commit owner
  // only.
  virtual absl::Status commit(absl::FunctionRef<void(Writer&)> fill) = 0;

  // As of the last commit. Commit owner only.
  virtual EngineSizes sizes() = 0;
  // Rewrites the file without its free pages; crash-safe; readers go on. After an error the old
  // file is still in use. Commit owner only.
  virtual absl::Status defragment() = 0;
  // Thread-safe. A walk over much of the file begins: read ahead, until release_pages().
  virtual void expect_scan() = 0;
  // Thread-safe. Gives memory that caches the file back to the kernel, after a walk over all of it.
  virtual void release_pages() = 0;

  // An empty engine beside this one, to be filled with a state that replaces this one's (a
  // snapshot's, an imported file's). Its commits are atomic but not durable: a crash leaves nothing
  // of it. There may be one at a time; what is left of an earlier one goes. Any thread; this engine
  // outlives it, unless take_place_of() was called.
  virtual absl::StatusOr<std::unique_ptr<Engine>> make_successor() = 0;
  // Of a successor: makes everything durable, so that the next call costs little. Its commit owner.
  virtual absl::Status sync() = 0;
  // Of a successor, after sync(): from now on its state is what a restart finds, instead of
  // `predecessor`'s, atomically and durably; its own commits are durable too. The predecessor's
  // readers go on, and its commits go where nobody finds them. Commit owner of both. After an error
  // the predecessor is still in its place.
  virtual absl::Status take_place_of(Engine& predecessor) = 0;

  // Ends the use of the file; no reader may be between begin() and end(). Commit owner only.
  virtual void close() = 0;
};

}  // namespace holdfast::backend
