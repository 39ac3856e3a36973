// simple, enter-joint, leave-joint: one configuration, changed step by step.
#include "fmt/format.h"
#include "raft-transcript/transcript.h"
#include "raft-transcript/values.h"
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
      const absl::StatusOr<Changer::AutoLeave> leave = auto_leave(directive);
      if (!leave.ok()) return leave.status();
      next = changer.enter_joint(*leave, *changes);
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
  static absl::StatusOr<Changer::AutoLeave> auto_leave(const Directive& directive) {
    bool leave = false;
    for (const Argument& argument : directive.arguments) {
      if (argument.key != "autoleave" || argument.values.size() != 1 ||
          !parse(argument.values[0], leave)) {
        return absl::InvalidArgumentError("autoleave=true or autoleave=false is the only argument");
      }
    }
    return leave ? Changer::AutoLeave::yes : Changer::AutoLeave::no;
  }

  raft::ProgressTracker tracker_{10, 0};
  Index last_index_;
};

}  // namespace

std::unique_ptr<Kind> make_confchange() { return std::make_unique<ConfChangeKind>(); }

}  // namespace holdfast::transcript
