#include "sim/disk_node.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace holdfast::sim {

void DiskNode::read(uint64_t offset, char* out, size_t n) const {
  while (n > 0) {
    const size_t in_page = offset % kPageBytes;
    const size_t chunk = std::min<size_t>(n, kPageBytes - in_page);
    const PagePointer& p = page(pages, offset / kPageBytes);
    if (p) {
      std::memcpy(out, p->data() + in_page, chunk);
    } else {
      std::memset(out, 0, chunk);
    }
    out += chunk;
    offset += chunk;
    n -= chunk;
  }
}

DiskNode::Persisted DiskNode::persist() {
  Persisted persisted{.size_before = durable_size};
  for (const uint64_t i : dirty_pages) {
    if (i >= durable_pages.size()) {
      if (!page(pages, i)) continue;
      durable_pages.resize(i + 1);
    }
    persisted.pages_before.emplace_back(i, std::exchange(durable_pages[i], page(pages, i)));
  }
  dirty_pages.clear();
  durable_size = size;
  return persisted;
}

void DiskNode::undo(const Persisted& persisted) {
  for (const auto& [i, before] : persisted.pages_before) {
    durable_pages[i] = before;
    dirty_pages.insert(i);
  }
  durable_size = persisted.size_before;
}

void DiskNode::write(uint64_t offset, std::string_view data) {
  if (data.empty()) return;
  size = std::max(size, offset + data.size());
  while (!data.empty()) {
    const uint64_t i = offset / kPageBytes;
    const size_t in_page = offset % kPageBytes;
    const size_t chunk = std::min<size_t>(data.size(), kPageBytes - in_page);
    std::memcpy(own_page(pages, i).data() + in_page, data.data(), chunk);
    dirty_pages.insert(i);
    data.remove_prefix(chunk);
    offset += chunk;
  }
}

void DiskNode::resize(uint64_t new_size) {
  if (new_size < size) {
    const uint64_t first_gone = (new_size + kPageBytes - 1) / kPageBytes;
    for (uint64_t i = first_gone; i < pages.size(); ++i) {
      if (pages[i]) dirty_pages.insert(i);
    }
    if (first_gone < pages.size()) pages.resize(first_gone);
    if (new_size % kPageBytes != 0 && page(pages, new_size / kPageBytes)) {
      Page& last = own_page(pages, new_size / kPageBytes);
      std::memset(last.data() + new_size % kPageBytes, 0, kPageBytes - new_size % kPageBytes);
      dirty_pages.insert(new_size / kPageBytes);
    }
  }
  size = new_size;
}

void DiskNode::drop_forgotten() {
  for (const uint64_t i : forgotten_pages) {
    if (dirty_pages.contains(i)) continue;
    if (i < pages.size() || i < durable_pages.size()) {
      if (i >= pages.size()) pages.resize(i + 1);
      pages[i] = page(durable_pages, i);
    }
  }
  forgotten_pages.clear();
}

void DiskNode::crash(Random& random, Unsynced unsynced) {
  drop_forgotten();

  const bool gone = unsynced == Unsynced::gone;
  const uint64_t keep_of_four = gone ? 0 : random.below(5);
  for (const uint64_t i : dirty_pages) {
    const PagePointer before = page(durable_pages, i);
    const PagePointer after = page(pages, i);
    Page merged(kPageBytes, '\0');
    for (uint64_t at = 0; at < kPageBytes; at += kSectorBytes) {
      const PagePointer& source = random.chance(keep_of_four, 4) ? after : before;
      if (source) merged.replace(at, kSectorBytes, *source, at, kSectorBytes);
    }
    own_page(pages, i) = std::move(merged);
  }
  if (size != durable_size) {
    const uint64_t low = std::min(size, durable_size);
    const uint64_t high = std::max(size, durable_size);
    switch (gone ? 3 : random.below(3)) {
      case 3:
        size = durable_size;
        break;
      case 0:
        size = low;
        break;
      case 1:
        size = high;
        break;
      default:
        size = std::min(high, (low + random.below(high - low + 1)) / kSectorBytes * kSectorBytes);
        size = std::max(size, low);
        break;
    }
    const uint64_t left = size;
    size = high;
    resize(left);
  }
  for (uint64_t i = 0; i < std::max(pages.size(), durable_pages.size()); ++i)
    if (page(pages, i) != page(durable_pages, i)) dirty_pages.insert(i);
  (void)persist();
}

void DiskNode::flip_bit(uint64_t offset, int bit) {
  const uint64_t i = offset / kPageBytes;
  const bool same = page(pages, i) == page(durable_pages, i);
  char& byte = own_page(pages, i)[offset % kPageBytes];
  byte = static_cast<char>(byte ^ (1 << bit));
  if (same) {
    if (i >= durable_pages.size()) durable_pages.resize(i + 1);
    durable_pages[i] = pages[i];
  } else {
    char& durable = own_page(durable_pages, i)[offset % kPageBytes];
    durable = static_cast<char>(durable ^ (1 << bit));
  }
}

}  // namespace holdfast::sim
