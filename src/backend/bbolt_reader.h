// Reads a bbolt file that somebody else wrote: another member's snapshot, a data directory of etcd, a file to restore
// from. Nothing in it is believed before it is checked, and memory is bounded by kRunBytesMax whatever it says.
//
// Values carry no checksum in this format: what is checked is that the pages form a tree of ascending keys.
//
// Errors: DataLoss for what is wrong in the file, naming it, the page and the offset; otherwise the file system's.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backend/bbolt_format.h"
#include "backend/bucket.h"
#include "env/file_system.h"

namespace holdfast::backend {

// The longest run of pages that is read at once. A record is no longer than a raft message, and those end at 512 MiB
// (RAFT-09) even on the most generous --max-request-bytes.
inline constexpr uint64_t kBboltRunBytesMax = uint64_t{512} << 20;

class BboltCursor;

// One thread at a time.
class BboltFile {
 public:
  // Reads the meta pages and the names of the buckets. `path` is for messages. Other buckets than etcd's are an error
  // unless they are empty: they come from a program that we don't know.
  static absl::StatusOr<std::unique_ptr<BboltFile>> open(std::unique_ptr<env::File> file,
                                                         std::string path);

  uint64_t bytes() const { return meta_.pages * meta_.page_bytes; }  // the part of the file that counts
  // From its first key on. A bucket that isn't there is empty.
  absl::StatusOr<BboltCursor> cursor(Bucket bucket);
  // Convenience for small values.
  absl::StatusOr<std::optional<std::string>> get(Bucket bucket, std::string_view key);
  // Reads everything once and finds what cursors would find.
  absl::Status check();

 private:
  friend class BboltCursor;
  // A bucket's root: a page, or a leaf page inside its parent.
  struct Root {
    uint64_t page = 0;
    std::string inline_page;
  };
  struct Named {
    std::string name;
    Root root;
  };

  BboltFile(std::unique_ptr<env::File> file, std::string path)
      : file_(std::move(file)), path_(std::move(path)) {}
  absl::Status read_meta();
  absl::StatusOr<bool> try_meta(uint64_t offset, bbolt::MetaFault& fault);
  absl::Status read_buckets();
  absl::Status refuse_unknown(const Named& bucket);
  absl::Status damaged(uint64_t page, std::string_view what) const;
  absl::StatusOr<Root> decode_root(uint64_t page, std::string_view value) const;
  // The page `id` with its overflow pages.
  absl::Status read_run(uint64_t id, std::string& run);

  const std::unique_ptr<env::File> file_;
  const std::string path_;
  uint64_t file_bytes_ = 0;
  bool found_ = false;
  bbolt::Meta meta_;
  std::vector<Named> buckets_;
};

// Goes through one bucket in ascending order. The file outlives it. Views are valid until the next call of next().
class BboltCursor {
 public:
  // False at the end.
  absl::StatusOr<bool> next();
  std::string_view key() const { return key_; }
  std::string_view value() const { return value_; }

 private:
  friend class BboltFile;
  struct Frame {
    std::string run;
    uint64_t page = 0;
    bbolt::PageHeader header;
    uint32_t position = 0;  // of the next element
  };
  BboltCursor(BboltFile& file, BboltFile::Root root) : file_(&file), root_(std::move(root)) {}

  absl::Status descend(uint64_t page);
  absl::Status enter(Frame frame);
  absl::Status take_leaf_element(Frame& frame);
  absl::StatusOr<uint64_t> take_child(Frame& frame);

  BboltFile* file_;
  BboltFile::Root root_;
  bool started_ = false;
  std::vector<Frame> frames_;  // from the root down; the last is a leaf while an element is shown
  uint64_t visited_ = 0;       // pages
  std::string last_key_;       // of the leaf before
  std::string_view key_;
  std::string_view value_;
  uint32_t holds_ = 0;  // what all elements' flags must say: values, or buckets at the root
};

}  // namespace holdfast::backend
