#include "sim/history.h"

#include "base/check.h"
#include "fmt/format.h"

namespace holdfast::sim {

size_t HistoryRecorder::invoke(int client, MemberId member, KvOp op) {
  HistoryEntry entry;
  entry.client = client;
  entry.member = member;
  entry.op = std::move(op);
  entry.invoked = ++step_;
  history_.push_back(std::move(entry));
  return history_.size() - 1;
}

void HistoryRecorder::finish(size_t index, Outcome outcome, KvResult result) {
  HistoryEntry& entry = history_[index];
  CHECK(entry.returned == kNeverReturned);
  entry.outcome = outcome;
  // An operation of unknown outcome may still happen: it never returns.
  if (outcome != Outcome::unknown) entry.returned = ++step_;
  entry.result = std::move(result);
}

std::string describe(const HistoryEntry& entry) {
  static constexpr const char* kOutcomes[] = {"ok", "unknown", "refused", "compacted",
                                              "future revision"};
  std::string text = fmt::format("client {} at member {:x} [{}, {}] {} -> {}", entry.client,
                                 entry.member.value, entry.invoked,
                                 entry.returned == kNeverReturned ? "?" : std::to_string(entry.returned),
                                 describe(entry.op), kOutcomes[static_cast<int>(entry.outcome)]);
  if (entry.outcome == Outcome::ok) text += " " + describe(entry.result);
  return text;
}

}  // namespace holdfast::sim
