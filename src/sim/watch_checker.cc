#include "sim/watch_checker.h"

#include <algorithm>
#include <string_view>

#include "fmt/format.h"

namespace holdfast::sim {

namespace {

bool matches(const WatchRecord& watch, const WatchEvent& event) {
  if (event.revision < watch.start_revision) return false;
  if (watch.end.empty()) return event.key == watch.key;
  return event.key >= watch.key && (watch.end == std::string_view("\0", 1) || event.key < watch.end);
}

std::string text(const WatchEvent& e) {
  return fmt::format("{} {} at {}", e.type == WatchEvent::Type::put ? "put" : "delete", e.key, e.revision);
}

bool same(const WatchEvent& received, const WatchEvent& truth) {
  return received.type == truth.type && received.key == truth.key && received.value == truth.value &&
         received.revision == truth.revision;
}

}  // namespace

Verdict check_watch(const WatchRecord& watch, const std::vector<WatchEvent>& truth) {
  std::vector<const WatchEvent*> expected;
  for (const WatchEvent& e : truth)
    if (matches(watch, e)) expected.push_back(&e);
  size_t next = 0;
  int64_t promised = 0;
  for (const WatchRecord::Response& response : watch.responses) {
    if (response.compact_revision > 0) {
      const int64_t wanted = next < expected.size() ? expected[next]->revision : INT64_MAX;
      if (response.compact_revision <= watch.start_revision && wanted >= response.compact_revision)
        return Verdict::violation(fmt::format("cancelled for a compaction at {} that was not needed", response.compact_revision));
      return {};
    }
    for (const WatchEvent& event : response.events) {
      if (event.revision <= promised)
        return Verdict::violation(fmt::format("{} came after progress {}", text(event), promised));
      if (next == expected.size())
        return Verdict::violation(fmt::format("{} never happened, or came twice", text(event)));
      if (!same(event, *expected[next]))
        return Verdict::violation(fmt::format("got {}, next was {}", text(event), text(*expected[next])));
      ++next;
    }
    // Atomic: a response ends where a transaction ends.
    if (!response.events.empty() && next < expected.size() &&
        expected[next]->revision == response.events.back().revision)
      return Verdict::violation(fmt::format("revision {} was torn apart", expected[next]->revision));
    if (response.progress_revision > 0) {
      promised = std::max(promised, response.progress_revision);
      if (next < expected.size() && expected[next]->revision <= promised)
        return Verdict::violation(fmt::format("progress {} promised before {}", promised, text(*expected[next])));
    }
  }
  if (next < expected.size() && expected[next]->revision <= watch.complete_to)
    return Verdict::violation(fmt::format("{} was never delivered", text(*expected[next])));
  return {};
}

}  // namespace holdfast::sim
