#include "net/block_cache.h"

#include <cstdlib>
#include <cstring>

namespace holdfast::net {

BlockCache::BlockCache() {
  allocator_.mem_user_data = this;
  allocator_.malloc = [](size_t size, void* self) { return static_cast<BlockCache*>(self)->take(size); };
  allocator_.free = [](void* block, void* self) { static_cast<BlockCache*>(self)->give_back(block); };
  allocator_.calloc = [](size_t count, size_t size, void* self) -> void* {
    if (size != 0 && count > SIZE_MAX / size) return nullptr;
    void* block = static_cast<BlockCache*>(self)->take(count * size);
    if (block) memset(block, 0, count * size);
    return block;
  };
  allocator_.realloc = [](void* block, size_t size, void* self) {
    return static_cast<BlockCache*>(self)->resize(block, size);
  };
}

BlockCache::~BlockCache() {
  for (Header* first : free_) {
    while (first != nullptr) {
      Header* next = first->next;
      std::free(first);
      first = next;
    }
  }
}

void* BlockCache::take(size_t size) {
  size_t size_class = size == 0 ? 0 : (size - 1) / kStep;
  if (size_class < kClasses && free_[size_class] != nullptr) {
    Header* header = free_[size_class];
    free_[size_class] = header->next;
    --kept_[size_class];
    return header + 1;
  }
  size_t room = size_class < kClasses ? (size_class + 1) * kStep : size;
  if (room > SIZE_MAX - sizeof(Header)) return nullptr;
  auto* header = static_cast<Header*>(std::malloc(sizeof(Header) + room));
  if (header == nullptr) return nullptr;
  header->size_class = size_class < kClasses ? size_class : kClasses;
  return header + 1;
}

void BlockCache::give_back(void* block) {
  if (block == nullptr) return;
  Header* header = static_cast<Header*>(block) - 1;
  size_t size_class = header->size_class;
  if (size_class == kClasses || kept_[size_class] == kKept) {
    std::free(header);
    return;
  }
  header->next = free_[size_class];
  free_[size_class] = header;
  ++kept_[size_class];
}

void* BlockCache::resize(void* block, size_t size) {
  if (block == nullptr) return take(size);
  Header* header = static_cast<Header*>(block) - 1;
  if (header->size_class == kClasses && size > kClasses * kStep) {
    auto* moved = static_cast<Header*>(std::realloc(header, sizeof(Header) + size));
    return moved ? moved + 1 : nullptr;
  }
  if (header->size_class < kClasses && size <= (header->size_class + 1) * kStep) return block;
  void* other = take(size);
  if (other == nullptr) return nullptr;
  // A block that is not kept is shrinking here, so `size` bounds both.
  size_t old_room = header->size_class < kClasses ? (header->size_class + 1) * kStep : size;
  memcpy(other, block, old_room < size ? old_room : size);
  give_back(block);
  return other;
}

}  // namespace holdfast::net
