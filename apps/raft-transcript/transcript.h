// Runs a transcript: the three kinds of file that etcd's raft is tested with, told apart by their
// directives.
//
//   interaction  whole clusters, message by message (interaction.h)
//   confchange   simple, enter-joint, leave-joint: how configurations follow from changes
//   quorum       committed, vote: what majorities and joint majorities agree on
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "raft-transcript/script.h"

namespace holdfast::transcript {

// Carries out the directives of one file, in order.
class Kind {
 public:
  virtual ~Kind() = default;
  // The output. Errors: the directive makes no sense (InvalidArgument); the file cannot go on.
  virtual absl::StatusOr<std::string> run(const Directive& directive) = 0;
};

std::unique_ptr<Kind> make_interaction();
std::unique_ptr<Kind> make_confchange();
std::unique_ptr<Kind> make_quorum();

struct Result {
  std::string text;        // the file with our output
  std::string difference;  // what differs from the expected output; empty if nothing does
};

absl::StatusOr<Result> run(std::string_view file);

// "-" and "+" lines with a little context.
std::string line_diff(std::string_view expected, std::string_view actual);

}  // namespace holdfast::transcript
