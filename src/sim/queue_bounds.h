// No queue grows without end. What bounds itself is checked where it stands: links drop what is more than kLinkMessagesMax
// (network.h), raft's windows are among its invariants, snapshots on their way are counted by the machine that sends them
// (machine.cc). Here: tasks waiting on the executors of a member.
#pragma once

#include <cstddef>
#include <string_view>

#include "sim/verdict.h"

namespace holdfast::sim {

// Requests are bounded by the clients and messages by the links, so what piles up during a pause of ten seconds fits.
inline constexpr size_t kExecutorQueueMax = 50'000;

// `deepest`: the largest number of tasks that one executor of that member had waiting, in all its lives.
Verdict check_queues(std::string_view member, size_t deepest);

}  // namespace holdfast::sim
