// What peers write to each other's streams (etcd rafthttp/msg_codec.go, msgappv2_codec.go; parity RAFT-09..12). Pure.
//
//   message stream   u64 length, raftpb.Message
//   msgapp stream    0                                                        link heartbeat
//                    1, u64 count, count x (u64 length, raftpb.Entry), u64 commit   entries that follow the last ones
//                    2, u64 length, raftpb.Message                            any MsgApp
// Numbers are big endian. Frames of type 1 leave out what both ends know: the sender's and the receiver's id, the term
// and the index of the entry before.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "raft/message.h"

namespace holdfast::peer {

// A message of a stream (RAFT-09); and all of a frame of the msgapp stream, for which etcd knows no limit.
inline constexpr uint64_t kMessageBytesMax = 512 * 1024 * 1024;
// The message in front of a snapshot's body (RAFT-17).
inline constexpr uint64_t kSnapshotMessageBytesMax = 64 * 1024 * 1024;

// A sign of life between two members, no message of raft: a MsgHeartbeat from nobody to nobody (RAFT-12).
raft::Message link_heartbeat();
bool is_link_heartbeat(const raft::Message& message);

// The message stream's frame.
void append_message_frame(const raft::Message& message, std::string& out);

class MsgAppEncoder {
 public:
  // `message` is a MsgApp or a link heartbeat.
  void append(const raft::Message& message, std::string& out);

 private:
  Term term_;
  Index index_;
};

// Cuts a stream into messages as its bytes come in. Once feed() failed the stream can't be read any further. Holds less
// than one frame; a frame longer than the limit is an error before it is held.
class StreamDecoder {
 public:
  virtual ~StreamDecoder() = default;
  // Appends the messages that are complete, link heartbeats among them. InvalidArgument with etcd's or our own text.
  absl::Status feed(std::string_view bytes, std::vector<raft::Message>& messages);
  // Bytes of an unfinished frame.
  size_t held_bytes() const { return held_.size(); }

 protected:
  // Reads one unit from the front of `input` and returns its size; 0 if more input is needed.
  virtual absl::Status step(std::string_view input, size_t& used, std::vector<raft::Message>& messages) = 0;

 private:
  std::string held_;
};

class MessageDecoder final : public StreamDecoder {
 private:
  absl::Status step(std::string_view input, size_t& used, std::vector<raft::Message>& messages) override;
};

class MsgAppDecoder final : public StreamDecoder {
 public:
  MsgAppDecoder(MemberId local, MemberId remote) : local_(local), remote_(remote) {}

 private:
  absl::Status step(std::string_view input, size_t& used, std::vector<raft::Message>& messages) override;
  absl::Status step_entries(std::string_view input, size_t& used, std::vector<raft::Message>& messages);

  const MemberId local_;
  const MemberId remote_;
  Term term_;
  Index index_;
  // Inside a frame of entries.
  bool in_entries_ = false;
  uint64_t entries_left_ = 0;
  uint64_t frame_bytes_ = 0;
  raft::Message frame_;
  std::vector<raft::Entry> entries_;
};

}  // namespace holdfast::peer
