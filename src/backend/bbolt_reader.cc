#include "backend/bbolt_reader.h"

#include <algorithm>

#include "base/errors.h"
#include "fmt/format.h"

namespace holdfast::backend {

using namespace bbolt;

namespace {

// With two children a page, the least that makes sense, deeper than any file that fits on a disk.
constexpr size_t kDepthMax = 64;
constexpr size_t kBucketsMax = 64;
constexpr uint32_t kPageBytesMin = 1024;
constexpr uint32_t kPageBytesMax = 64 << 10;

absl::Status read_exactly(env::File& file, uint64_t offset, char* to, size_t size,
                          std::string_view path) {
  auto n = file.read_at(offset, to, size);
  if (!n.ok()) return n.status();
  if (*n == size) return absl::OkStatus();
  return make_status(absl::StatusCode::kDataLoss,
                     fmt::format("bbolt file {}: ends at offset {}, in the middle of a page", path,
                                 offset + *n));
}

std::string_view describe(MetaFault fault) {
  switch (fault) {
    case MetaFault::none: return "unusable sizes";
    case MetaFault::magic: return "no bbolt file (wrong magic number)";
    case MetaFault::version: return "unknown version of the format";
    case MetaFault::checksum: return "wrong checksum";
  }
  return "";
}

}  // namespace

absl::Status BboltFile::damaged(uint64_t page, std::string_view what) const {
  return make_status(absl::StatusCode::kDataLoss,
                     fmt::format("bbolt file {}: page {} at offset {}: {}", path_, page,
                                 page * meta_.page_bytes, what));
}

absl::StatusOr<std::unique_ptr<BboltFile>> BboltFile::open(std::unique_ptr<env::File> file,
                                                           std::string path) {
  auto self = std::unique_ptr<BboltFile>(new BboltFile(std::move(file), std::move(path)));
  if (absl::Status s = self->read_meta(); !s.ok()) return s;
  if (absl::Status s = self->read_buckets(); !s.ok()) return s;
  return self;
}

// True if there is a valid meta page at `offset`; it counts if it is the newest so far.
absl::StatusOr<bool> BboltFile::try_meta(uint64_t offset, MetaFault& fault) {
  constexpr size_t kBytes = kPageHeaderBytes + kMetaBytes;
  if (offset + kBytes > file_bytes_) return false;
  char head[kBytes];
  if (absl::Status s = read_exactly(*file_, offset, head, kBytes, path_); !s.ok()) return s;
  Meta meta;
  const MetaFault found = decode_meta(std::string_view(head + kPageHeaderBytes, kMetaBytes), meta);
  if (offset == 0) fault = found;
  if (found != MetaFault::none) return false;
  const bool sound = meta.page_bytes >= kPageBytesMin && meta.page_bytes <= kPageBytesMax &&
                     (meta.page_bytes & (meta.page_bytes - 1)) == 0 && meta.pages > 2 &&
                     meta.root_page > 1 && meta.root_page < meta.pages;
  if (!sound) return false;
  if (found_ && meta.page_bytes != meta_.page_bytes) return false;
  if (!found_ || meta.transaction > meta_.transaction) meta_ = meta;
  found_ = true;
  return true;
}

absl::Status BboltFile::read_meta() {
  auto size = file_->size();
  if (!size.ok()) return size.status();
  file_bytes_ = *size;
  MetaFault fault = MetaFault::magic;
  auto first = try_meta(0, fault);
  if (!first.ok()) return first.status();
  if (*first) {
    if (auto second = try_meta(meta_.page_bytes, fault); !second.ok()) return second.status();
  } else {
    for (uint64_t page_bytes = kPageBytesMin; page_bytes <= kPageBytesMax && !found_;
         page_bytes *= 2) {
      auto second = try_meta(page_bytes, fault);
      if (!second.ok()) return second.status();
      if (*second && meta_.page_bytes != page_bytes) found_ = false;
    }
  }
  if (!found_)
    return make_status(absl::StatusCode::kDataLoss,
                       fmt::format("bbolt file {}: page 0 at offset 0: {}", path_, describe(fault)));
  if (meta_.pages > file_bytes_ / meta_.page_bytes)
    return make_status(
        absl::StatusCode::kDataLoss,
        fmt::format("bbolt file {}: is cut off: {} bytes instead of {} pages of {} bytes", path_,
                    file_bytes_, meta_.pages, meta_.page_bytes));
  return absl::OkStatus();
}

absl::StatusOr<BboltFile::Root> BboltFile::decode_root(uint64_t page,
                                                       std::string_view value) const {
  if (value.size() < kBucketHeaderBytes) return damaged(page, "a bucket's header is cut off");
  Root root{.page = load64(value.data()), .inline_page = {}};
  if (root.page == 0) {
    root.inline_page = value.substr(kBucketHeaderBytes);
    if (root.inline_page.size() < kPageHeaderBytes)
      return damaged(page, "a bucket's inline page is cut off");
  }
  return root;
}

absl::Status BboltFile::read_buckets() {
  BboltCursor cursor(*this, {.page = meta_.root_page, .inline_page = {}});
  cursor.holds_ = kBucketElement;
  while (true) {
    auto more = cursor.next();
    if (!more.ok()) return more.status();
    if (!*more) return absl::OkStatus();
    const uint64_t page = cursor.frames_.back().page;
    if (buckets_.size() == kBucketsMax) return damaged(page, "too many buckets");
    auto root = decode_root(page, cursor.value());
    if (!root.ok()) return root.status();
    Named named{std::string(cursor.key()), *std::move(root)};
    if (std::none_of(kBucketsByName.begin(), kBucketsByName.end(),
                     [&](Bucket b) { return name(b) == named.name; })) {
      if (absl::Status s = refuse_unknown(named); !s.ok()) return s;
      continue;
    }
    buckets_.push_back(std::move(named));
  }
}

absl::Status BboltFile::refuse_unknown(const Named& bucket) {
  BboltCursor cursor(*this, bucket.root);
  auto more = cursor.next();
  if (!more.ok()) return more.status();
  if (!*more) return absl::OkStatus();
  return make_status(
      absl::StatusCode::kFailedPrecondition,
      fmt::format("bbolt file {}: bucket \"{}\" is none of etcd's", path_, bucket.name));
}

absl::Status BboltFile::read_run(uint64_t id, std::string& run) {
  if (id < 2 || id >= meta_.pages) return damaged(id, "lies outside of the file");
  run.resize(meta_.page_bytes);
  const uint64_t offset = id * meta_.page_bytes;
  if (absl::Status s = read_exactly(*file_, offset, run.data(), run.size(), path_); !s.ok())
    return s;
  const PageHeader header = decode_header(run.data());
  if (header.id != id) return damaged(id, fmt::format("says that it is page {}", header.id));
  if (header.overflow >= meta_.pages - id)
    return damaged(id, fmt::format("{} overflow pages reach beyond the end", header.overflow));
  const uint64_t bytes = (uint64_t{header.overflow} + 1) * meta_.page_bytes;
  if (bytes > kBboltRunBytesMax)
    return damaged(id, fmt::format("{} overflow pages are too many", header.overflow));
  run.resize(bytes);
  return read_exactly(*file_, offset + meta_.page_bytes, run.data() + meta_.page_bytes,
                      bytes - meta_.page_bytes, path_);
}

absl::StatusOr<BboltCursor> BboltFile::cursor(Bucket bucket) {
  for (const Named& named : buckets_)
    if (named.name == name(bucket)) return BboltCursor(*this, named.root);
  BboltCursor nothing(*this, {});
  nothing.started_ = true;
  return nothing;
}

absl::StatusOr<std::optional<std::string>> BboltFile::get(Bucket bucket, std::string_view key) {
  auto at = cursor(bucket);
  if (!at.ok()) return at.status();
  while (true) {
    auto more = at->next();
    if (!more.ok()) return more.status();
    if (!*more || at->key() > key) return std::nullopt;
    if (at->key() == key) return std::string(at->value());
  }
}

absl::Status BboltFile::check() {
  for (const Bucket bucket : kBucketsByName) {
    auto at = cursor(bucket);
    if (!at.ok()) return at.status();
    while (true) {
      auto more = at->next();
      if (!more.ok()) return more.status();
      if (!*more) break;
    }
  }
  return absl::OkStatus();
}

// --- cursor ---

absl::Status BboltCursor::descend(uint64_t page) {
  Frame frame;
  frame.page = page;
  if (absl::Status s = file_->read_run(page, frame.run); !s.ok()) return s;
  return enter(std::move(frame));
}

// What the header says about the elements is true; each one is looked at when its turn comes.
absl::Status BboltCursor::enter(Frame frame) {
  frame.header = decode_header(frame.run.data());
  const PageHeader& header = frame.header;
  if (header.flags != kBranchPage && header.flags != kLeafPage)
    return file_->damaged(frame.page, fmt::format("is of type {:#x}, no branch and no leaf",
                                                  header.flags));
  if (frames_.size() == kDepthMax) return file_->damaged(frame.page, "the tree is too deep");
  // Pages that are reached twice would make more visits than there are pages.
  visited_ += uint64_t{header.overflow} + 1;
  if (visited_ > file_->meta_.pages) return file_->damaged(frame.page, "the tree has a loop");
  if (kPageHeaderBytes + header.count * kElementHeaderBytes > frame.run.size())
    return file_->damaged(frame.page, fmt::format("has no room for {} elements", header.count));
  if (header.flags == kBranchPage && header.count == 0)
    return file_->damaged(frame.page, "is a branch without children");
  frames_.push_back(std::move(frame));
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> BboltCursor::take_child(Frame& frame) {
  const size_t at = kPageHeaderBytes + frame.position++ * kElementHeaderBytes;
  const uint64_t key_end =
      at + uint64_t{load32(frame.run.data() + at)} + load32(frame.run.data() + at + 4);
  if (key_end > frame.run.size())
    return file_->damaged(frame.page, fmt::format("the key of child {} lies outside of the page",
                                                  frame.position - 1));
  return load64(frame.run.data() + at + 8);
}

absl::Status BboltCursor::take_leaf_element(Frame& frame) {
  const size_t at = kPageHeaderBytes + frame.position * kElementHeaderBytes;
  const char* element = frame.run.data() + at;
  const uint64_t begin = at + uint64_t{load32(element + 4)};
  const uint64_t key_bytes = load32(element + 8);
  const uint64_t value_bytes = load32(element + 12);
  auto wrong = [&](std::string_view what) {
    return file_->damaged(frame.page, fmt::format("element {}: {}", frame.position, what));
  };
  if (begin + key_bytes + value_bytes > frame.run.size()) return wrong("lies outside of the page");
  const std::string_view bytes(frame.run);
  const std::string_view key = bytes.substr(begin, key_bytes);
  if (key.empty()) return wrong("has no key");
  const std::string_view before = frame.position == 0 ? std::string_view(last_key_) : key_;
  if (key <= before) return wrong("its key is not above the one before");
  if (load32(element) != holds_)
    return wrong(holds_ == kBucketElement ? "is no bucket" : "is a bucket inside a bucket");
  key_ = key;
  value_ = bytes.substr(begin + key_bytes, value_bytes);
  ++frame.position;
  return absl::OkStatus();
}

absl::StatusOr<bool> BboltCursor::next() {
  if (!started_) {
    started_ = true;
    absl::Status entered;
    if (root_.page != 0) {
      entered = descend(root_.page);
    } else {
      Frame frame;
      frame.run = std::move(root_.inline_page);
      entered = enter(std::move(frame));
      if (entered.ok() && frames_.back().header.flags != kLeafPage)
        entered = file_->damaged(0, "an inline page is no leaf");
    }
    if (!entered.ok()) return entered;
  }
  while (!frames_.empty()) {
    Frame& frame = frames_.back();
    if (frame.position == frame.header.count) {
      if (frame.header.flags == kLeafPage && frame.header.count > 0) last_key_.assign(key_);
      frames_.pop_back();
      continue;
    }
    if (frame.header.flags == kLeafPage) {
      if (absl::Status s = take_leaf_element(frame); !s.ok()) return s;
      return true;
    }
    auto child = take_child(frame);
    if (!child.ok()) return child.status();
    if (absl::Status s = descend(*child); !s.ok()) return s;
  }
  return false;
}

}  // namespace holdfast::backend
