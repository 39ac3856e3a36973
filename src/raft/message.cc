#include "raft/message.h"

#include <array>

namespace holdfast::raft {

namespace {

constexpr std::array<std::string_view, kMessageTypes> kNames = {"MsgHup",
                                                                "MsgBeat",
                                                                "MsgProp",
                                                                "MsgApp",
                                                                "MsgAppResp",
                                                                "MsgVote",
                                                                "MsgVoteResp",
                                                                "MsgSnap",
                                                                "MsgHeartbeat",
                                                                "MsgHeartbeatResp",
                                                                "MsgUnreachable",
                                                                "MsgSnapStatus",
                                                                "MsgCheckQuorum",
                                                                "MsgTransferLeader",
                                                                "MsgTimeoutNow",
                                                                "MsgReadIndex",
                                                                "MsgReadIndexResp",
                                                                "MsgPreVote",
                                                                "MsgPreVoteResp",
                                                                "MsgStorageAppend",
                                                                "MsgStorageAppendResp",
                                                                "MsgStorageApply",
                                                                "MsgStorageApplyResp",
                                                                "MsgForgetLeader"};

const Snapshot& content(const std::shared_ptr<const Snapshot>& snapshot) {
  static const Snapshot kEmpty;
  return snapshot ? *snapshot : kEmpty;
}

}  // namespace

std::string_view name(MessageType type) {
  const auto number = static_cast<int32_t>(type);
  if (number < 0 || number >= kMessageTypes) return "MsgUnknown";
  return kNames[static_cast<size_t>(number)];
}

bool is_local_message(MessageType type) {
  switch (type) {
    case MessageType::hup:
    case MessageType::beat:
    case MessageType::unreachable:
    case MessageType::snap_status:
    case MessageType::check_quorum:
    case MessageType::storage_append:
    case MessageType::storage_append_resp:
    case MessageType::storage_apply:
    case MessageType::storage_apply_resp:
      return true;
    default:
      return false;
  }
}

bool is_response_message(MessageType type) {
  switch (type) {
    case MessageType::app_resp:
    case MessageType::vote_resp:
    case MessageType::heartbeat_resp:
    case MessageType::unreachable:
    case MessageType::read_index_resp:
    case MessageType::pre_vote_resp:
    case MessageType::storage_append_resp:
    case MessageType::storage_apply_resp:
      return true;
    default:
      return false;
  }
}

bool operator==(const Message& a, const Message& b) {
  return a.type == b.type && a.reject == b.reject && a.to == b.to && a.from == b.from &&
         a.term == b.term && a.log_term == b.log_term && a.index == b.index &&
         a.commit == b.commit && a.vote == b.vote && a.reject_hint == b.reject_hint &&
         a.entries == b.entries && content(a.snapshot) == content(b.snapshot) &&
         a.context == b.context && a.responses == b.responses;
}

}  // namespace holdfast::raft
