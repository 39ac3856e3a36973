#include "env/file_system.h"

#include "fmt/format.h"

namespace holdfast::env {

absl::StatusOr<std::string> read_file(FileSystem& fs, const std::string& path, uint64_t limit_bytes) {
  auto file = fs.open(path, OpenMode::read);
  if (!file.ok()) return file.status();
  auto size = (*file)->size();
  if (!size.ok()) return size.status();
  if (*size > limit_bytes)
    return absl::ResourceExhaustedError(
        fmt::format("read {}: {} bytes are more than the limit of {}", path, *size, limit_bytes));
  std::string content(*size, '\0');
  auto n = (*file)->read_at(0, content.data(), content.size());
  if (!n.ok()) return n.status();
  content.resize(*n);
  return content;
}

}  // namespace holdfast::env
