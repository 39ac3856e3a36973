// Damage at rest: one bit of a log file is other than it was written. Whoever reads it must refuse it and name the file, or
// not need it; then the file is mended, as from a good copy.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/random.h"
#include "sim/sim_disk.h"

namespace holdfast::sim {

class BitRot {
 public:
  explicit BitRot(uint64_t seed) : random_(seed) {}

  // Flips a bit of one of the files under `directory`, which nobody has open, more often at the beginning than behind. False
  // if there is none.
  bool damage(SimDisk& disk, const std::string& directory);
  // Of that file, likewise.
  bool damage_file(SimDisk& disk, const std::string& path);
  // It stays as it is.
  void forget() { path_.clear(); }
  bool damaged() const { return !path_.empty(); }
  // An error message says where it is.
  bool named_in(std::string_view message) const;
  // As it was, unless something else was written there meanwhile.
  void mend(SimDisk& disk);

 private:
  Random random_;
  std::string path_;  // empty: nothing is damaged
  uint64_t offset_ = 0;
  int bit_ = 0;
  char damaged_byte_ = 0;
};

}  // namespace holdfast::sim
