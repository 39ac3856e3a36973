// What real clients of a real cluster recorded, as a text file, and its judgement. A line is a record; its fields stand
// between single spaces, messages of etcd's API and keys are in hexadecimal, "-" is nothing:
//
//   operation CLIENT MEMBER INVOKED RETURNED OUTCOME METHOD REQUEST RESPONSE
//   watch ID KEY END START COMPLETE_TO         a watch; the answers that it got follow, in the order of arrival
//   told ID WATCH_RESPONSE
//   change WATCH_RESPONSE                      what a member says at the end, watched from revision 1: the truth
//   store MEMBER RANGE_RESPONSE                everything that a member holds at the end
//
// INVOKED and RETURNED are steps of one counter, OUTCOME one of ok, unknown, refused, compacted, future_revision (history.h),
// METHOD one of Range, Put, DeleteRange, Txn. A client keeps what it does not know: an unknown outcome has no RETURNED.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "sim/history.h"
#include "sim/verdict.h"
#include "sim/watch_checker.h"

namespace holdfast::sim {

struct RecordedStore {
  std::string member;
  std::vector<KvPair> pairs;
  int64_t revision = 0;
};

struct RecordedRun {
  History history;
  std::vector<WatchRecord> watches;
  std::vector<WatchEvent> truth;  // by revision and place
  std::vector<RecordedStore> stores;
};

// The whole file. kInvalidArgument names the line that makes no sense.
absl::StatusOr<RecordedRun> parse_history(std::string_view text);

// Linearizable and as the truth says, no acknowledged change lost in any store, every watch complete and in order, all
// stores alike and made by the truth. A run without a store, or without the truth of a revision, is not good either.
Verdict check_run(const RecordedRun& run);

}  // namespace holdfast::sim
