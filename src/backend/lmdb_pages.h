// A look at an LMDB file without LMDB, which would end the process at the first page that is
// missing. Private to backend/.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "env/file_system.h"

namespace holdfast::backend {

// OK: all pages that the newest state of the file reaches are in the file. LMDB counts pages that
// it never wrote, when they were free again before the commit, so a file may well be shorter than
// counted; only then the pages are walked over. FailedPrecondition: not an LMDB file. DataLoss: cut
// off or damaged. An empty file is OK.
absl::Status check_lmdb_file(env::File& file, const std::string& path);

}  // namespace holdfast::backend
