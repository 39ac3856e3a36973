#include "peer/codec.h"

#include "base/errors.h"
#include "base/wire.h"
#include "fmt/format.h"
#include "raft/codec.h"

namespace holdfast::peer {

namespace {

constexpr char kLinkHeartbeat = 0;
constexpr char kAppEntries = 1;
constexpr char kApp = 2;

// Memory that a decoder keeps for the next frame after a long one.
constexpr size_t kHeldKept = 64 * 1024;

uint64_t be64(std::string_view bytes) { return wire::read_be64(bytes.data()); }

void put_be64(uint64_t value, std::string& out, size_t at) {
  for (size_t i = 0; i < 8; ++i) out[at + i] = static_cast<char>(value >> (56 - 8 * i));
}

// The length is known only after the writing; its place is kept free.
template <class T>
void append_sized(const T& value, std::string& out) {
  const size_t at = out.size();
  out.append(8, '\0');
  raft::encode(value, out);
  put_be64(out.size() - at - 8, out, at);
}

absl::Status invalid(std::string_view text) {
  return make_status(absl::StatusCode::kInvalidArgument, text);
}

absl::Status too_long() { return invalid("rafthttp: error limit exceeded"); }

// A sized message at the front of `input`: its whole size, or 0 if it is not all there.
absl::Status read_message(std::string_view input, size_t& used, std::vector<raft::Message>& messages) {
  used = 0;
  if (input.size() < 8) return absl::OkStatus();
  const uint64_t length = be64(input);
  if (length > kMessageBytesMax) return too_long();
  if (input.size() - 8 < length) return absl::OkStatus();
  auto message = raft::decode_message(input.substr(8, length));
  if (!message.ok()) return message.status();
  messages.push_back(*std::move(message));
  used = 8 + static_cast<size_t>(length);
  return absl::OkStatus();
}

}  // namespace

raft::Message link_heartbeat() {
  raft::Message message;
  message.type = raft::MessageType::heartbeat;
  return message;
}

bool is_link_heartbeat(const raft::Message& message) {
  return message.type == raft::MessageType::heartbeat && message.from == raft::kNone &&
         message.to == raft::kNone;
}

void append_message_frame(const raft::Message& message, std::string& out) { append_sized(message, out); }

void MsgAppEncoder::append(const raft::Message& message, std::string& out) {
  if (is_link_heartbeat(message)) {
    out.push_back(kLinkHeartbeat);
    return;
  }
  if (index_ == message.index && term_ == message.log_term && message.log_term == message.term) {
    out.push_back(kAppEntries);
    wire::append_be64(out, message.entries.size());
    for (const raft::Entry& entry : message.entries) {
      append_sized(entry, out);
      index_ = index_ + 1;
    }
    wire::append_be64(out, message.commit.value);
    return;
  }
  out.push_back(kApp);
  append_sized(message, out);
  term_ = message.term;
  index_ = message.entries.empty() ? message.index : message.entries.back().index;
}

absl::Status StreamDecoder::feed(std::string_view bytes, std::vector<raft::Message>& messages) {
  const bool holding = !held_.empty();
  if (holding) held_.append(bytes);
  const std::string_view input = holding ? std::string_view(held_) : bytes;
  size_t read = 0;
  for (;;) {
    size_t used = 0;
    if (absl::Status s = step(input.substr(read), used, messages); !s.ok()) return s;
    if (used == 0) break;
    read += used;
  }
  if (holding) {
    held_.erase(0, read);
  } else {
    held_.assign(input.substr(read));
  }
  if (held_.empty() && held_.capacity() > kHeldKept) std::string().swap(held_);
  return absl::OkStatus();
}

absl::Status MessageDecoder::step(std::string_view input, size_t& used,
                                  std::vector<raft::Message>& messages) {
  return read_message(input, used, messages);
}

absl::Status MsgAppDecoder::step(std::string_view input, size_t& used,
                                 std::vector<raft::Message>& messages) {
  if (in_entries_) return step_entries(input, used, messages);
  used = 0;
  if (input.empty()) return absl::OkStatus();
  switch (input[0]) {
    case kLinkHeartbeat:
      messages.push_back(link_heartbeat());
      used = 1;
      return absl::OkStatus();
    case kAppEntries:
      if (input.size() < 9) return absl::OkStatus();
      entries_left_ = be64(input.substr(1));
      frame_bytes_ = 0;
      in_entries_ = true;
      frame_ = raft::Message();
      frame_.type = raft::MessageType::app;
      frame_.from = remote_;
      frame_.to = local_;
      frame_.term = frame_.log_term = term_;
      frame_.index = index_;
      used = 9;
      return absl::OkStatus();
    case kApp: {
      const absl::Status read = read_message(input.substr(1), used, messages);
      if (!read.ok() || used == 0) return read;
      ++used;
      const raft::Message& message = messages.back();
      term_ = message.term;
      index_ = message.entries.empty() ? message.index : message.entries.back().index;
      return absl::OkStatus();
    }
    default:
      return invalid(
          fmt::format("failed to parse type {} in msgappv2 stream", static_cast<uint8_t>(input[0])));
  }
}

absl::Status MsgAppDecoder::step_entries(std::string_view input, size_t& used,
                                         std::vector<raft::Message>& messages) {
  used = 0;
  if (input.size() < 8) return absl::OkStatus();
  const uint64_t number = be64(input);
  if (entries_left_ == 0) {
    frame_.commit = Index(number);
    frame_.entries = raft::Entries(std::exchange(entries_, {}));
    messages.push_back(std::move(frame_));
    in_entries_ = false;
    used = 8;
    return absl::OkStatus();
  }
  // Each entry takes its 8 bytes at least, so a count alone can't make us hold much.
  if (number > kMessageBytesMax || frame_bytes_ + 8 + number > kMessageBytesMax) return too_long();
  if (input.size() - 8 < number) return absl::OkStatus();
  auto entry = raft::decode_entry(input.substr(8, number));
  if (!entry.ok()) return entry.status();
  entries_.push_back(*std::move(entry));
  frame_bytes_ += 8 + number;
  --entries_left_;
  index_ = index_ + 1;
  used = 8 + static_cast<size_t>(number);
  return absl::OkStatus();
}

}  // namespace holdfast::peer
