// One-line (or few-line) texts of raft's data, letter for letter as etcd's raft describes them in
// logs and in transcripts.
#pragma once

#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "base/go_text.h"
#include "raft/message.h"
#include "raft/ready.h"
#include "raft/types.h"

namespace holdfast::raft {

std::string_view name(EntryType type);              // "EntryNormal", ...
std::string_view name(ConfChangeType type);         // "ConfChangeAddNode", ...
std::string_view name(ConfChangeTransition value);  // "ConfChangeTransitionAuto", ...

// Shows an entry's payload.
using EntryFormatter = absl::FunctionRef<std::string(std::string_view)>;

std::string describe(const HardState& state);
std::string describe(const SoftState& state);
std::string describe(const ConfState& state);
std::string describe(const Snapshot& snapshot);
std::string describe(const ConfChangeV2& change);
std::string describe(const Entry& entry, EntryFormatter format = go_quote);
std::string describe(const Entries& entries,
                     EntryFormatter format = go_quote);  // one line each, ended
std::string describe(const Message& message, EntryFormatter format = go_quote);
std::string describe(const Ready& ready, EntryFormatter format = go_quote);

}  // namespace holdfast::raft
