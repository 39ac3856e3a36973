// simple, enter-joint, leave-joint: one configuration, changed step by step.
#include "fmt/format.h"
#include "raft-transcript/transcript.h"
#include "raft/confchange.h"

namespace holdfast::transcript {

namespace {

using raft::Changer;

class ConfChangeKind : public Kind {
 public:
  absl::StatusOr<std::string> run(const Directive& directive) override {
    const Index last_index = last_index_;
    ++last_index_;  // every directive counts as an entry
    const auto changes = raft::conf_changes_from_string(directive.input);
    if (!changes.ok()) return std::string(changes.status().message());
    const Changer changer(tracker_, last_index);
    absl::StatusOr<raft::Configuration> next = absl::UnknownError("");
    if (directive.command == "simple") {
      next = changer.simple(*changes);
    } else if (directive.command == "enter-joint") {
      next = changer.enter_joint(auto_leave(directive), *changes);
    } else if (directive.command != "leave-joint") {
      return "unknown command";
    } else if (!changes->empty()) {
      next = absl::InvalidArgumentError("this command takes no input");
    } else {
      next = changer.leave_joint();
    }
    if (!next.ok()) return std::string(next.status().message()) + "\n";
    tracker_.config = std::move(next->config);
    tracker_.progress = std::move(next->progress);
    return describe(tracker_.config) + "\n" + describe(tracker_.progress);
  }

 private:
  static Changer::AutoLeave auto_leave(const Directive& directive) {
    for (const Argument& argument : directive.arguments) {
      if (argument.key == "autoleave" && !argument.values.empty() && argument.values[0] == "true")
        return Changer::AutoLeave::yes;
    }
    return Changer::AutoLeave::no;
  }

  raft::ProgressTracker tracker_{10, 0};
  Index last_index_;
};

}  // namespace

std::unique_ptr<Kind> make_confchange() { return std::make_unique<ConfChangeKind>(); }

}  // namespace holdfast::transcript
