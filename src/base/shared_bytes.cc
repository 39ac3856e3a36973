#include "base/shared_bytes.h"

#include <cstring>
#include <new>

namespace holdfast {

SharedBytes::Block* SharedBytes::allocate(size_t size) {
  void* memory = ::operator new(sizeof(Block) + size);
  Block* block = new (memory) Block{{1}, size};
  return block;
}

void SharedBytes::free_block(Block* block) {
  block->~Block();
  ::operator delete(block);
}

SharedBytes::SharedBytes(std::string_view bytes) : block_(allocate(bytes.size())) {
  if (!bytes.empty()) std::memcpy(data(block_), bytes.data(), bytes.size());
}

SharedBytes SharedBytes::concat(std::string_view a, std::string_view b, std::string_view c) {
  SharedBytes result;
  result.block_ = allocate(a.size() + b.size() + c.size());
  char* out = data(result.block_);
  for (std::string_view part : {a, b, c}) {
    if (!part.empty()) std::memcpy(out, part.data(), part.size());
    out += part.size();
  }
  return result;
}

}  // namespace holdfast
