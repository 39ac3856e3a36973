#include "sim/queue_bounds.h"

#include "fmt/format.h"

namespace holdfast::sim {

Verdict check_queues(std::string_view member, size_t deepest) {
  if (deepest <= kExecutorQueueMax) return {};
  return Verdict::violation(fmt::format("{}: {} tasks waited on one executor", member, deepest));
}

}  // namespace holdfast::sim
