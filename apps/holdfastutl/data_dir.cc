#include "apps/holdfastutl/data_dir.h"

#include "backend/lmdb_engine.h"
#include "base/errors.h"
#include "fmt/format.h"

namespace holdfast::utl {

absl::StatusOr<std::unique_ptr<backend::Engine>> open_backend(Console& console, const DataDir& dir) {
  auto present = console.files.exists(dir.backend());
  if (!present.ok()) return present.status();
  if (!*present)
    return make_status(absl::StatusCode::kNotFound,
                       fmt::format("{} is no data directory of holdfast: there is no {}", dir.path,
                                   dir.backend()));
  return backend::open_lmdb_engine({.path = dir.backend()}, console.files, console.process,
                                   console.log);
}

absl::Status defragment(Console& console, const DataDir& dir) {
  auto engine = open_backend(console, dir);
  return engine.ok() ? (*engine)->defragment() : engine.status();
}

}  // namespace holdfast::utl
