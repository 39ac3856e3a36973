// Fills an engine with what a bbolt file holds.
#pragma once

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "backend/bbolt_reader.h"
#include "backend/engine.h"

namespace holdfast::backend {

// Into `engine`, empty so far, in commits of a few MiB each. `cancelled` is asked between them; true ends the import with
// Cancelled. Other errors are the file's and the engine's.
absl::Status import_bbolt(BboltFile& file, Engine& engine, absl::FunctionRef<bool()> cancelled);

}  // namespace holdfast::backend
