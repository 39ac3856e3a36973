#include "mvcc/revision_hash.h"

#include <algorithm>

namespace holdfast::mvcc {

KeptRevisions::KeptRevisions(std::vector<RevisionPair>& revisions) : revisions_(revisions) {
  std::sort(revisions.begin(), revisions.end());
}

}  // namespace holdfast::mvcc
