// Memory for nghttp2: it allocates some ten small blocks a request and frees them with it, always on one thread.
// Freed blocks wait here for the next request instead of going through malloc.
#pragma once

#include <nghttp2/nghttp2.h>

#include <cstddef>

namespace holdfast::net {

class BlockCache {
 public:
  BlockCache();
  BlockCache(const BlockCache&) = delete;
  BlockCache& operator=(const BlockCache&) = delete;
  ~BlockCache();

  // For nghttp2_session_server_new3(); valid while this lives, and the session must not outlive it.
  nghttp2_mem* allocator() { return &allocator_; }

 private:
  // Blocks of up to this many times kStep bytes are kept; larger ones are rare.
  static constexpr size_t kStep = 64;
  static constexpr size_t kClasses = 9;
  // Kept per class, so that a connection that once had many streams gives their memory back. 9 classes of at most
  // 576 bytes: 160 KiB at the very most.
  static constexpr size_t kKept = 64;
  // In front of each block; keeps malloc's alignment.
  struct alignas(16) Header {
    size_t size_class;  // kClasses: not kept
    Header* next;
  };

  void* take(size_t size);
  void give_back(void* block);
  void* resize(void* block, size_t size);

  nghttp2_mem allocator_;
  Header* free_[kClasses] = {};
  size_t kept_[kClasses] = {};
};

}  // namespace holdfast::net
