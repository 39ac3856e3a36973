// A file or a directory of a SimDisk: what it holds now, and what a power cut would leave of it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/random.h"

namespace holdfast::sim {

constexpr uint64_t kSectorBytes = 512;
constexpr uint64_t kPageBytes = 4096;

// What a power cut does to what was not synced.
enum class Unsynced : uint8_t { kept_in_part, gone };

// Pages that are absent, or behind the end of the vector, are zero.
struct DiskNode {
  using Page = std::string;                   // kPageBytes long
  using PagePointer = std::shared_ptr<Page>;  // shared by the current, the durable and cloned contents; copied on write
  using Pointer = std::shared_ptr<DiskNode>;  // shared by directories' current and durable entries, open files

  bool directory = false;
  std::map<std::string, Pointer> entries;
  std::map<std::string, Pointer> durable_entries;

  uint64_t size = 0;
  uint64_t durable_size = 0;
  std::vector<PagePointer> pages;
  std::vector<PagePointer> durable_pages;
  std::set<uint64_t> dirty_pages;      // where the two may differ
  std::set<uint64_t> forgotten_pages;  // differ too, but a sync failed and will not write them again

  const void* lock_holder = nullptr;

  static const PagePointer& page(const std::vector<PagePointer>& pages, uint64_t i) {
    static const PagePointer kZero;
    return i < pages.size() ? pages[i] : kZero;
  }
  // A page of `pages` that nobody shares.
  static Page& own_page(std::vector<PagePointer>& pages, uint64_t i) {
    if (i >= pages.size()) pages.resize(i + 1);
    PagePointer& page = pages[i];
    if (!page) {
      page = std::make_shared<Page>(kPageBytes, '\0');
    } else if (page.use_count() > 1) {
      page = std::make_shared<Page>(*page);
    }
    return *page;
  }
  void read(uint64_t offset, char* out, size_t n) const;
  void write(uint64_t offset, std::string_view data);
  void resize(uint64_t new_size);
  // What a sync made durable, and what was there before: until it has returned, a power cut may still take it.
  struct Persisted {
    uint64_t size_before = 0;
    std::vector<std::pair<uint64_t, PagePointer>> pages_before;
  };
  // A sync that keeps its word.
  Persisted persist();
  // As if that sync, and none after it, had not been.
  void undo(const Persisted& persisted);
  // Pages that a failed sync called clean show what is on the disk again.
  void drop_forgotten();
  // Of a file: the power fails. All that is left is durable.
  void crash(Random& random, Unsynced unsynced);
  // On the disk and in memory.
  void flip_bit(uint64_t offset, int bit);
};

}  // namespace holdfast::sim
