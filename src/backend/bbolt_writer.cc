#include "backend/bbolt_writer.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/check.h"

namespace holdfast::backend {

using bbolt::kPageBytes;

namespace {

constexpr uint64_t kFreelistPage = 2;
constexpr uint64_t kFirstPage = 3;

// Elements share a run of pages up to this size. Records of a page and more would leave half of every last page empty if
// each had its own run.
constexpr size_t kLargeElementBytes = 1024;
constexpr size_t kLargeRunBytes = 32 << 10;
constexpr size_t kRunElementsMax = 1024;  // far below what `count` holds

struct Element {
  std::string_view key;
  std::string_view value;
  uint32_t flags = 0;
  size_t bytes() const { return bbolt::kElementHeaderBytes + key.size() + value.size(); }
};

uint64_t pages_for(size_t bytes) { return (bytes + kPageBytes - 1) / kPageBytes; }

void append_leaf(std::string& out, uint64_t id, const std::vector<Element>& elements, size_t bytes) {
  const size_t begin = out.size();
  const uint64_t pages = pages_for(bytes);
  out.reserve(begin + pages * kPageBytes);
  bbolt::append_header(out, {id, bbolt::kLeafPage, static_cast<uint16_t>(elements.size()),
                             static_cast<uint32_t>(pages - 1)});
  size_t position = elements.size() * bbolt::kElementHeaderBytes;
  for (const Element& e : elements) {
    bbolt::append32(out, e.flags);
    bbolt::append32(out, static_cast<uint32_t>(position));
    bbolt::append32(out, static_cast<uint32_t>(e.key.size()));
    bbolt::append32(out, static_cast<uint32_t>(e.value.size()));
    position += e.key.size() + e.value.size() - bbolt::kElementHeaderBytes;
  }
  for (const Element& e : elements) {
    out.append(e.key);
    out.append(e.value);
  }
  out.resize(begin + pages * kPageBytes);
}

struct Child {
  std::string key;
  uint64_t page;
};

void append_branch(std::string& out, uint64_t id, const std::vector<Child>& children, size_t bytes) {
  const size_t begin = out.size();
  const uint64_t pages = pages_for(bytes);
  bbolt::append_header(out, {id, bbolt::kBranchPage, static_cast<uint16_t>(children.size()),
                             static_cast<uint32_t>(pages - 1)});
  size_t position = children.size() * bbolt::kElementHeaderBytes;
  for (const Child& c : children) {
    bbolt::append32(out, static_cast<uint32_t>(position));
    bbolt::append32(out, static_cast<uint32_t>(c.key.size()));
    bbolt::append64(out, c.page);
    position += c.key.size() - bbolt::kElementHeaderBytes;
  }
  for (const Child& c : children) out.append(c.key);
  out.resize(begin + pages * kPageBytes);
}

std::string bucket_value(uint64_t root) {
  std::string value;
  bbolt::append64(value, root);
  bbolt::append64(value, 0);
  return value;
}

}  // namespace

// One walk over all buckets: run after run, to be counted or to be written.
class BboltWriter::Walk {
 public:
  enum class Purpose : uint8_t { count, write };
  Walk(Engine::Reader& state, Purpose purpose) : state_(state), purpose_(purpose) {}

  // Makes what comes next and appends it to `out`, if writing. False when the root page was the last.
  bool step(std::string& out) {
    if (done_) return false;
    if (bucket_ == kBucketsByName.size()) {
      write_root(out);
      done_ = true;
      return true;
    }
    if (!gather()) {
      finish_bucket(out);
      return true;
    }
    const uint64_t page = take_pages(bytes_);
    if (purpose_ == Purpose::write) append_leaf(out, page, elements_, bytes_);
    add_child(0, std::string(elements_.empty() ? std::string_view() : elements_.front().key), page,
              out);
    return true;
  }

  uint64_t next_page() const { return next_page_; }

 private:
  struct Level {
    std::vector<Child> children;
    size_t bytes = bbolt::kPageHeaderBytes;
  };

  // The elements of the next leaf. An empty bucket has one leaf with none; false when there is no further leaf.
  bool gather() {
    elements_.clear();
    bytes_ = bbolt::kPageHeaderBytes;
    if (!levels_.empty() && next_key_.empty()) return false;
    const std::string from = std::exchange(next_key_, {});
    size_t room = kPageBytes;
    state_.scan(kBucketsByName[bucket_], from, {},
                [&](std::string_view key, std::string_view value) {
                  const Element e{key, value};
                  if (elements_.empty()) {
                    room = e.bytes() > kLargeElementBytes ? kLargeRunBytes : kPageBytes;
                  } else if (bytes_ + e.bytes() > room || elements_.size() == kRunElementsMax) {
                    next_key_.assign(key);
                    return false;
                  }
                  elements_.push_back(e);
                  bytes_ += e.bytes();
                  return true;
                });
    return true;
  }

  uint64_t take_pages(size_t bytes) {
    const uint64_t page = next_page_;
    next_page_ += pages_for(bytes);
    return page;
  }

  // `page` joins the branch page of `level` that is being gathered; one that is full is written first.
  void add_child(size_t level, std::string key, uint64_t page, std::string& out) {
    if (level == levels_.size()) levels_.emplace_back();
    const size_t more = bbolt::kElementHeaderBytes + key.size();
    // At least two, however long the keys: each level must be smaller than the one below.
    if (levels_[level].children.size() >= 2 && levels_[level].bytes + more > kPageBytes)
      write_branch(level, out);
    levels_[level].bytes += more;
    levels_[level].children.push_back({std::move(key), page});
  }

  void write_branch(size_t level, std::string& out) {
    Level& l = levels_[level];
    const uint64_t page = take_pages(l.bytes);
    if (purpose_ == Purpose::write) append_branch(out, page, l.children, l.bytes);
    std::string first = std::move(l.children.front().key);
    l = {};
    add_child(level + 1, std::move(first), page, out);
  }

  void finish_bucket(std::string& out) {
    for (size_t level = 0; level < levels_.size(); ++level) {
      const Level& l = levels_[level];
      if (level + 1 == levels_.size() && l.children.size() == 1) break;
      if (!l.children.empty()) write_branch(level, out);
    }
    roots_.push_back(levels_.back().children.front().page);
    levels_.clear();
    ++bucket_;
  }

  void write_root(std::string& out) {
    std::vector<std::string> values;
    for (const uint64_t root : roots_) values.push_back(bucket_value(root));
    elements_.clear();
    bytes_ = bbolt::kPageHeaderBytes;
    for (size_t i = 0; i < roots_.size(); ++i) {
      elements_.push_back({name(kBucketsByName[i]), values[i], bbolt::kBucketElement});
      bytes_ += elements_.back().bytes();
    }
    CHECK(bytes_ <= kPageBytes);
    const uint64_t page = take_pages(bytes_);
    if (purpose_ == Purpose::write) append_leaf(out, page, elements_, bytes_);
  }

  Engine::Reader& state_;
  const Purpose purpose_;
  uint64_t next_page_ = kFirstPage;
  size_t bucket_ = 0;  // in kBucketsByName
  std::string next_key_;
  std::vector<Element> elements_;  // of the leaf being made, with its size
  size_t bytes_ = 0;
  std::vector<Level> levels_;    // of this bucket, the lowest first
  std::vector<uint64_t> roots_;  // of the buckets before
  bool done_ = false;
};

BboltWriter::BboltWriter(Engine::Reader& state) : state_(state) {
  Walk count(state_, Walk::Purpose::count);
  std::string nothing;
  while (count.step(nothing)) {
  }
  pages_ = count.next_page();
  left_ = size();
  walk_ = std::make_unique<Walk>(state_, Walk::Purpose::write);

  // Older by one, as bbolt leaves them; the next transaction then writes over this one.
  constexpr uint64_t kTransaction = 2;
  for (uint64_t page = 0; page < 2; ++page) {
    bbolt::append_header(ready_, {page, bbolt::kMetaPage, 0, 0});
    bbolt::append_meta(ready_, {.root_page = pages_ - 1,
                                .freelist_page = kFreelistPage,
                                .pages = pages_,
                                .transaction = kTransaction - page});
    ready_.resize((page + 1) * kPageBytes);
  }
  // Without one, bbolt would have to walk the whole file when it opens it for writing.
  bbolt::append_header(ready_, {kFreelistPage, bbolt::kFreelistPage, 0, 0});
  ready_.resize(kFirstPage * kPageBytes);
}

BboltWriter::~BboltWriter() = default;

size_t BboltWriter::read(std::span<char> buffer) {
  size_t filled = 0;
  while (filled < buffer.size()) {
    if (ready_begin_ == ready_.size()) {
      ready_.clear();
      ready_begin_ = 0;
      const bool more = walk_->step(ready_);
      if (!more) break;
      continue;
    }
    const size_t n = std::min(buffer.size() - filled, ready_.size() - ready_begin_);
    std::memcpy(buffer.data() + filled, ready_.data() + ready_begin_, n);
    ready_begin_ += n;
    filled += n;
  }
  CHECK(filled <= left_, "the state changed under the writer");
  left_ -= filled;
  CHECK(filled > 0 || left_ == 0, "the state changed under the writer");
  return filled;
}

}  // namespace holdfast::backend
