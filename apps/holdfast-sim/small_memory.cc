// Memory of small things, for the simulator alone: it asks for little pieces all the time, and an eighth of its time was
// spent in malloc. Here a piece comes from a list of its size and goes back there; an address tells what it belongs to.
// Larger pieces are malloc's. Not with sanitizers, which watch malloc.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

#include <sys/mman.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace {

constexpr size_t kStep = 16;
constexpr size_t kLargest = 1024;
constexpr size_t kChunk = 64 * 1024;
// Of address space, not of memory. When it is used up, malloc serves.
constexpr size_t kChunks = 256 * 1024;

struct Piece {
  Piece* next;
};

// Lists by size in steps. Each thread has its own; a piece may end on another's.
thread_local Piece* free_pieces[kLargest / kStep + 1];

std::atomic<size_t> chunks_taken;
uint8_t step_of_chunk[kChunks];

char* reserve_space() {
  void* const at = mmap(nullptr, kChunks * kChunk, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) return nullptr;
  madvise(at, kChunks * kChunk, MADV_HUGEPAGE);
  return static_cast<char*>(at);
}

char* space() {
  static char* const begin = reserve_space();
  return begin;
}
// For looking addresses up: set before the first piece is given out.
char* space_begin;

// Cuts another chunk into pieces. Null: there is none left.
Piece* cut_chunk(size_t step) {
  char* const begin = space();
  if (begin == nullptr) return nullptr;
  space_begin = begin;
  const size_t chunk = chunks_taken.fetch_add(1, std::memory_order_relaxed);
  if (chunk >= kChunks) return nullptr;
  step_of_chunk[chunk] = static_cast<uint8_t>(step);
  Piece* list = nullptr;
  char* const at = begin + chunk * kChunk;
  for (size_t i = kChunk / (step * kStep); i-- > 0;)
    list = new (at + i * step * kStep) Piece{list};
  return list;
}

void* large(size_t size) {
  if (void* const at = std::malloc(size == 0 ? 1 : size)) return at;
  throw std::bad_alloc();
}

}  // namespace

void* operator new(size_t size) {
  if (size > kLargest) return large(size);
  const size_t step = (size + kStep - 1) / kStep + (size == 0 ? 1 : 0);
  Piece* piece = free_pieces[step];
  if (__builtin_expect(piece == nullptr, 0)) {
    piece = cut_chunk(step);
    if (piece == nullptr) return large(size);
  }
  free_pieces[step] = piece->next;
  // Read by the next call for this size, which would wait for it: it may have been free for long.
  __builtin_prefetch(piece->next);
  return piece;
}

void operator delete(void* at) noexcept {
  const auto offset = static_cast<size_t>(static_cast<char*>(at) - space_begin);
  if (space_begin == nullptr || offset >= kChunks * kChunk) return std::free(at);
  Piece*& list = free_pieces[step_of_chunk[offset / kChunk]];
  list = new (at) Piece{list};
}

void operator delete(void* at, size_t) noexcept { operator delete(at); }

#endif
