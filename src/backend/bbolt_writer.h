// Writes one committed state of the backend as a bbolt file, front to back, as fast as it is asked for: peer snapshots,
// Maintenance.Snapshot and the way back to etcd (TRP-37, TRP-58).
//
// The file: two meta pages, an empty freelist, then bucket after bucket in the order of their names, then the root page
// that names them. A bucket's tree is packed from below: leaves in ascending order, each branch page right behind the
// last of its children, so that what must be remembered is one page a level. The state is walked twice: once to count
// the pages, since the first page says where the root is, and once to write them.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "backend/bbolt_format.h"
#include "backend/engine.h"

namespace holdfast::backend {

class BboltWriter {
 public:
  // `state` is between begin() and end() and stays so. Walks over all of it, keys and sizes only.
  explicit BboltWriter(Engine::Reader& state);
  ~BboltWriter();
  BboltWriter(const BboltWriter&) = delete;
  BboltWriter& operator=(const BboltWriter&) = delete;

  // Of the whole file, in bytes; a multiple of the page size.
  uint64_t size() const { return pages_ * bbolt::kPageBytes; }
  // Fills the front of `buffer`; 0 at the end. Holds one run of pages besides: 32 KiB, or the largest record.
  size_t read(std::span<char> buffer);

 private:
  class Walk;
  Engine::Reader& state_;
  uint64_t pages_ = 0;
  std::unique_ptr<Walk> walk_;
  std::string ready_;     // made, not yet read from ready_begin_ on
  size_t ready_begin_ = 0;
  uint64_t left_ = 0;     // bytes not yet read
};

}  // namespace holdfast::backend
