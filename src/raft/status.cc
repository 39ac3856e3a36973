#include "raft/status.h"

#include "fmt/format.h"

namespace holdfast::raft {

std::string to_json(const Status& status) {
  std::string out = fmt::format(
      R"({{"id":"{:x}","term":{},"vote":"{:x}","commit":{},"lead":"{:x}","raftState":"{}","applied":{},"progress":{{)",
      status.id.value, status.hard_state.term.value, status.hard_state.vote.value,
      status.hard_state.commit.value, status.soft_state.lead.value, name(status.soft_state.state),
      status.applied.value);
  std::string_view separator;
  for (const auto& [id, progress] : status.progress) {
    fmt::format_to(std::back_inserter(out), R"({}"{:x}":{{"match":{},"next":{},"state":"{}"}})",
                   separator, id.value, progress.match.value, progress.next.value,
                   name(progress.state));
    separator = ",";
  }
  fmt::format_to(std::back_inserter(out), R"(}},"leadtransferee":"{:x}"}})",
                 status.lead_transferee.value);
  return out;
}

}  // namespace holdfast::raft
