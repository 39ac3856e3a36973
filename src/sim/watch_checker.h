// One watch against the changes that really happened (etcd's guarantees: ordered, unique, reliable, atomic,
// resumable, bookmarkable). Pure: the workload hands in what the watch got, and the truth.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sim/verdict.h"

namespace holdfast::sim {

struct WatchEvent {
  enum class Type : uint8_t { put, erase };
  Type type = Type::put;
  std::string key;
  std::string value;  // put
  int64_t revision = 0;
  int64_t sub_revision = 0;  // of the truth: its place in its transaction; ignored in what was received

  bool operator==(const WatchEvent&) const = default;
};

struct WatchRecord {
  std::string key;
  std::string end;              // as in a range
  int64_t start_revision = 0;   // first revision asked for; > 0
  // In the order of arrival. Events of one revision may not be split over responses unless fragmented.
  struct Response {
    std::vector<WatchEvent> events;
    int64_t progress_revision = 0;   // > 0: a progress notification: everything up to it was delivered
    int64_t compact_revision = 0;    // > 0: cancelled, the start was compacted
  };
  std::vector<Response> responses;
  // Everything up to here must have been delivered (when the watch was closed in good order); 0: no such promise.
  int64_t complete_to = 0;
};

// `truth`: all changes, by revision and place.
Verdict check_watch(const WatchRecord& watch, const std::vector<WatchEvent>& truth);

}  // namespace holdfast::sim
