#include "backend/lmdb_pages.h"

#include <cstring>
#include <optional>
#include <vector>

#include "base/errors.h"
#include "fmt/format.h"

namespace holdfast::backend {
namespace {

// The format of LMDB 0.9 on a little-endian 64-bit machine (lmdb mdb.c: MDB_page, MDB_meta, MDB_db,
// MDB_node).
constexpr size_t kPageHeaderBytes =
    16;  // page number 8, pad 2, flags 2, lower 2, upper 2 (or: pages 4)
constexpr size_t kFlagsOffset = 10;
constexpr size_t kLowerOffset = 12;
constexpr size_t kMetaOffset = kPageHeaderBytes;
constexpr size_t kDatabasesOffset = kMetaOffset + 24;
constexpr size_t kDatabaseBytes = 48;
constexpr size_t kRootOffset = 40;  // inside a database record
constexpr size_t kLastPageOffset = kDatabasesOffset + 2 * kDatabaseBytes;
constexpr size_t kTransactionOffset = kLastPageOffset + 8;
constexpr size_t kMetaBytes = kTransactionOffset + 8;
constexpr size_t kNodeHeaderBytes = 8;  // size or page number 4, flags 2, key size 2
constexpr uint32_t kLmdbMagic = 0xBEEFC0DE;
constexpr uint32_t kBoltMagic = 0xED0CDAED;
constexpr uint64_t kNoPage = ~uint64_t{0};
constexpr uint16_t kBranchPage = 1, kLeafPage = 2, kOverflowPage = 4;
constexpr uint16_t kBigNode = 1, kDatabaseNode = 2;
constexpr int kDepthMax = 32;
constexpr uint64_t kPageBytesMin = 256, kPageBytesMax = 64 << 10;

template <class T>
T load(const char* from) {
  T v;
  std::memcpy(&v, from, sizeof v);
  return v;
}

struct Meta {
  uint64_t page_bytes;
  uint64_t free_root, main_root;
  uint64_t last_page;
  uint64_t transaction;
};

class PageWalk {
 public:
  PageWalk(env::File& file, uint64_t page_bytes, uint64_t pages)
      : file_(file), page_bytes_(page_bytes), pages_(pages) {}

  // False: a page is missing or isn't what it should be.
  bool tree(uint64_t root, int depth) {
    if (root == kNoPage) return true;
    // No tree has more pages than the file: a loop among damaged pages ends here.
    if (depth > kDepthMax || root >= pages_ || ++visited_ > pages_) return false;
    std::vector<char> page(page_bytes_);
    auto got = file_.read_at(root * page_bytes_, page.data(), page.size());
    if (!got.ok() || *got != page.size() || load<uint64_t>(page.data()) != root) return false;
    const uint16_t flags = load<uint16_t>(&page[kFlagsOffset]);
    const uint16_t lower = load<uint16_t>(&page[kLowerOffset]);
    if (lower < kPageHeaderBytes || lower > page_bytes_) return false;
    if ((flags & (kBranchPage | kLeafPage)) == 0) return false;
    for (size_t at = kPageHeaderBytes; at + 2 <= lower; at += 2) {
      const uint16_t node = load<uint16_t>(&page[at]);
      if (node + kNodeHeaderBytes > page_bytes_) return false;
      if (!(flags & kBranchPage ? branch(&page[node], depth) : leaf(page, node, depth)))
        return false;
    }
    return true;
  }

 private:
  bool branch(const char* node, int depth) {
    const uint64_t child = load<uint32_t>(node) | uint64_t{load<uint16_t>(node + 4)} << 32;
    return tree(child, depth + 1);
  }
  bool leaf(const std::vector<char>& page, size_t node, int depth) {
    const uint16_t flags = load<uint16_t>(&page[node + 4]);
    const size_t data = node + kNodeHeaderBytes + load<uint16_t>(&page[node + 6]);
    if (flags & kBigNode) return data + 8 <= page_bytes_ && overflow(load<uint64_t>(&page[data]));
    if (flags & kDatabaseNode)
      return data + kDatabaseBytes <= page_bytes_ &&
             tree(load<uint64_t>(&page[data + kRootOffset]), depth + 1);
    return data <= page_bytes_;
  }
  bool overflow(uint64_t first) {
    char header[kPageHeaderBytes];
    if (first >= pages_) return false;
    auto got = file_.read_at(first * page_bytes_, header, sizeof header);
    return got.ok() && *got == sizeof header && load<uint64_t>(header) == first &&
           (load<uint16_t>(header + kFlagsOffset) & kOverflowPage) != 0 &&
           load<uint32_t>(header + kLowerOffset) <= pages_ - first;
  }

  env::File& file_;
  const uint64_t page_bytes_;
  const uint64_t pages_;
  uint64_t visited_ = 0;
};

std::optional<Meta> read_meta(env::File& file, uint64_t offset) {
  char bytes[kMetaBytes];
  auto got = file.read_at(offset, bytes, sizeof bytes);
  if (!got.ok() || *got != sizeof bytes || load<uint32_t>(bytes + kMetaOffset) != kLmdbMagic)
    return std::nullopt;
  return Meta{.page_bytes = load<uint32_t>(bytes + kDatabasesOffset),
              .free_root = load<uint64_t>(bytes + kDatabasesOffset + kRootOffset),
              .main_root = load<uint64_t>(bytes + kDatabasesOffset + kDatabaseBytes + kRootOffset),
              .last_page = load<uint64_t>(bytes + kLastPageOffset),
              .transaction = load<uint64_t>(bytes + kTransactionOffset)};
}

}  // namespace

absl::Status check_lmdb_file(env::File& file, const std::string& path) {
  auto size = file.size();
  if (!size.ok()) return size.status();
  if (*size == 0) return absl::OkStatus();
  char head[kMetaOffset + 4] = {};
  auto got = file.read_at(0, head, sizeof head);
  if (!got.ok()) return got.status();
  const uint32_t magic = load<uint32_t>(head + kMetaOffset);
  if (magic == kBoltMagic)
    return make_status(absl::StatusCode::kFailedPrecondition,
                       fmt::format("backend: {} is a bbolt file, as etcd writes it", path));
  if (magic != kLmdbMagic)
    return make_status(absl::StatusCode::kFailedPrecondition,
                       fmt::format("backend: {} is not a backend file", path));

  const auto damaged = [&] {
    return make_status(absl::StatusCode::kDataLoss,
                       fmt::format("backend: {} is cut off or damaged ({} bytes)", path, *size));
  };
  std::optional<Meta> newest = read_meta(file, 0);
  if (!newest || newest->page_bytes < kPageBytesMin || newest->page_bytes > kPageBytesMax)
    return damaged();
  const uint64_t page_bytes = newest->page_bytes;
  std::optional<Meta> other = read_meta(file, page_bytes);
  if (!other || *size < 2 * page_bytes) return damaged();
  if (other->transaction > newest->transaction) newest = other;
  const uint64_t pages = *size / page_bytes;
  if (newest->last_page < pages) return absl::OkStatus();
  PageWalk walk(file, page_bytes, pages);
  return walk.tree(newest->free_root, 0) && walk.tree(newest->main_root, 0) ? absl::OkStatus()
                                                                            : damaged();
}

}  // namespace holdfast::backend
