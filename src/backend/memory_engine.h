// The simulator's engine. The MemoryImage is the disk: it belongs to the simulator and outlives the
// member, so that after a simulated crash what was committed is there and what was only sealed or
// pending is gone. A commit is atomic, as LMDB's is. One thread only.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "backend/engine.h"

namespace holdfast::backend {

class MemoryImage {
 public:
  struct State {
    std::array<std::map<std::string, std::string, std::less<>>, kBucketCount> buckets;
    int64_t bytes = 0;
  };
  // Readers share a state with the image; the next commit then writes to a copy.
  std::shared_ptr<State> state = std::make_shared<State>();
  uint64_t commits = 0;
  uint64_t successions = 0;  // times that another engine took over: installed snapshots
  // If set: called before each commit; an error fails it (a full or broken disk).
  std::function<absl::Status()> before_commit;
};

std::unique_ptr<Engine> make_memory_engine(std::shared_ptr<MemoryImage> image);

}  // namespace holdfast::backend
