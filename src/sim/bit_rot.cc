#include "sim/bit_rot.h"

#include <optional>
#include <vector>

#include "fmt/format.h"

namespace holdfast::sim {

namespace {

std::optional<char> byte_at(SimDisk& disk, const std::string& path, uint64_t offset) {
  const auto file = disk.open(path, env::OpenMode::read);
  char byte = 0;
  if (!file.ok()) return std::nullopt;
  const auto got = (*file)->read_at(offset, &byte, 1);
  if (!got.ok() || *got != 1) return std::nullopt;
  return byte;
}

}  // namespace

bool BitRot::damage(SimDisk& disk, const std::string& directory) {
  const std::vector<std::string> files = disk.files_under(directory);
  if (files.empty()) return false;
  return damage_file(disk, files[random_.below(files.size())]);
}

bool BitRot::damage_file(SimDisk& disk, const std::string& path) {
  const auto file = disk.open(path, env::OpenMode::read);
  const uint64_t size = file.ok() ? (*file)->size().value_or(0) : 0;
  if (size == 0) return false;
  // Most of a segment may lie behind its end.
  offset_ = random_.below((size >> random_.below(16)) + 1) % size;
  bit_ = static_cast<int>(random_.below(8));
  disk.flip_bit(path, offset_, bit_);
  path_ = path;
  damaged_byte_ = byte_at(disk, path_, offset_).value_or(0);
  return true;
}

bool BitRot::named_in(std::string_view message) const {
  return damaged() && message.find(fmt::format("in file '{}' at position", path_)) != std::string_view::npos;
}

void BitRot::mend(SimDisk& disk) {
  if (damaged() && byte_at(disk, path_, offset_) == damaged_byte_) disk.flip_bit(path_, offset_, bit_);
  path_.clear();
}

}  // namespace holdfast::sim
