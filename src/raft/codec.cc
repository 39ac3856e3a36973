#include "raft/codec.h"

#include <limits>
#include <optional>

#include "base/wire.h"

namespace holdfast::raft {

namespace {

using wire::Field;
using wire::Reader;
using wire::Type;
using wire::varint_size;
using wire::Writer;

// A MsgStorageAppend's responses have none of their own. Nothing that travels has any.
constexpr int kMaxResponseDepth = 1;
constexpr size_t kMaxResponses = 4096;

size_t nonzero_size(uint64_t v) { return v == 0 ? 0 : 1 + varint_size(v); }
size_t bytes_size(size_t n) { return 1 + varint_size(n) + n; }

void put_present_bytes(Writer& writer, uint32_t field, const SharedBytes& bytes) {
  if (!bytes.is_nil()) writer.put_bytes(field, bytes.view());
}

void put_ids(Writer& writer, uint32_t field, const std::vector<MemberId>& ids) {
  for (MemberId id : ids) writer.put_uint64(field, id.value);
}

void encode(const SnapshotMetadata& metadata, std::string& out) {
  Writer writer(out);
  writer.put_bytes(1, encoded(metadata.conf_state));
  writer.put_uint64(2, metadata.index.value);
  writer.put_uint64(3, metadata.term.value);
}

void encode(const ConfChangeSingle& change, std::string& out) {
  Writer writer(out);
  writer.put_uint64(1, static_cast<uint64_t>(change.type));
  writer.put_uint64(2, change.node_id.value);
}

// The merge functions read one message's fields into a struct. A field of another wire type than
// its own is unknown, and skipped, as protobuf says.

// A closed enum with the values [0, last].
template <class E>
bool read_enum(const Field& field, E last, E& out) {
  if (field.varint > static_cast<uint64_t>(last)) return false;
  out = static_cast<E>(field.varint);
  return true;
}

bool merge(std::string_view bytes, Entry& entry) {
  Reader reader(bytes);
  Field field;
  while (reader.next(field)) {
    const bool number = field.type == Type::varint;
    if (field.number == 1 && number) {
      if (!read_enum(field, EntryType::conf_change_v2, entry.type)) return false;
      entry.type_stands = entry.type == EntryType::normal;
    } else if (field.number == 2 && number) {
      entry.term = Term(field.varint);
    } else if (field.number == 3 && number) {
      entry.index = Index(field.varint);
    } else if (field.number == 4 && field.type == Type::bytes) {
      entry.data = SharedBytes(field.bytes);
    }
  }
  return reader.ok();
}

bool merge(std::string_view bytes, HardState& state) {
  Reader reader(bytes);
  Field field;
  while (reader.next(field)) {
    if (field.type != Type::varint) continue;
    if (field.number == 1) state.term = Term(field.varint);
    if (field.number == 2) state.vote = MemberId(field.varint);
    if (field.number == 3) state.commit = Index(field.varint);
  }
  return reader.ok();
}

// One value, or several packed into one field.
bool merge_ids(const Field& field, std::vector<MemberId>& ids) {
  if (field.type == Type::varint) {
    ids.emplace_back(field.varint);
    return true;
  }
  if (field.type != Type::bytes) return true;
  for (std::string_view rest = field.bytes; !rest.empty();) {
    uint64_t id;
    if (!wire::consume_varint(rest, id)) return false;
    ids.emplace_back(id);
  }
  return true;
}

bool merge(std::string_view bytes, ConfState& state) {
  Reader reader(bytes);
  Field field;
  while (reader.next(field)) {
    bool ok = true;
    switch (field.number) {
      case 1:
        ok = merge_ids(field, state.voters);
        break;
      case 2:
        ok = merge_ids(field, state.learners);
        break;
      case 3:
        ok = merge_ids(field, state.voters_outgoing);
        break;
      case 4:
        ok = merge_ids(field, state.learners_next);
        break;
      case 5:
        if (field.type == Type::varint) state.auto_leave = field.as_bool();
        break;
      default:
        break;
    }
    if (!ok) return false;
  }
  return reader.ok();
}

bool merge(std::string_view bytes, SnapshotMetadata& metadata) {
  Reader reader(bytes);
  Field field;
  while (reader.next(field)) {
    if (field.number == 1 && field.type == Type::bytes) {
      if (!merge(field.bytes, metadata.conf_state)) return false;
    } else if (field.number == 2 && field.type == Type::varint) {
      metadata.index = Index(field.varint);
    } else if (field.number == 3 && field.type == Type::varint) {
      metadata.term = Term(field.varint);
    }
  }
  return reader.ok();
}

bool merge(std::string_view bytes, Snapshot& snapshot) {
  Reader reader(bytes);
  Field field;
  while (reader.next(field)) {
    if (field.type != Type::bytes) continue;
    if (field.number == 1) snapshot.data = SharedBytes(field.bytes);
    if (field.number == 2 && !merge(field.bytes, snapshot.metadata)) return false;
  }
  return reader.ok();
}

bool merge(std::string_view bytes, ConfChange& change) {
  Reader reader(bytes);
  Field field;
  while (reader.next(field)) {
    const bool number = field.type == Type::varint;
    if (field.number == 1 && number) {
      change.id = field.varint;
    } else if (field.number == 2 && number) {
      if (!read_enum(field, ConfChangeType::add_learner_node, change.type)) return false;
    } else if (field.number == 3 && number) {
      change.node_id = MemberId(field.varint);
    } else if (field.number == 4 && field.type == Type::bytes) {
      change.context = SharedBytes(field.bytes);
    }
  }
  return reader.ok();
}

bool merge(std::string_view bytes, ConfChangeSingle& change) {
  Reader reader(bytes);
  Field field;
  while (reader.next(field)) {
    if (field.type != Type::varint) continue;
    if (field.number == 1 && !read_enum(field, ConfChangeType::add_learner_node, change.type))
      return false;
    if (field.number == 2) change.node_id = MemberId(field.varint);
  }
  return reader.ok();
}

bool merge(std::string_view bytes, ConfChangeV2& change) {
  Reader reader(bytes);
  Field field;
  while (reader.next(field)) {
    if (field.number == 1 && field.type == Type::varint) {
      if (!read_enum(field, ConfChangeTransition::joint_explicit, change.transition)) return false;
    } else if (field.number == 2 && field.type == Type::bytes) {
      if (!merge(field.bytes, change.changes.emplace_back())) return false;
    } else if (field.number == 3 && field.type == Type::bytes) {
      change.context = SharedBytes(field.bytes);
    }
  }
  return reader.ok();
}

class MessageReader {
 public:
  explicit MessageReader(int depth) : depth_(depth) {}

  bool read(std::string_view bytes, Message& message) {
    Reader reader(bytes);
    Field field;
    while (reader.next(field)) {
      if (field.type == Type::varint) {
        read_number(field, message);
      } else if (field.type == Type::bytes && !read_bytes(field, message)) {
        return false;
      }
    }
    if (!reader.ok()) return false;
    message.entries = Entries(std::move(entries_));
    if (snapshot_) message.snapshot = std::make_shared<const Snapshot>(std::move(*snapshot_));
    return true;
  }

 private:
  static void read_number(const Field& field, Message& message) {
    switch (field.number) {
      case 1:
        message.type = static_cast<MessageType>(field.as_int32());
        break;
      case 2:
        message.to = MemberId(field.varint);
        break;
      case 3:
        message.from = MemberId(field.varint);
        break;
      case 4:
        message.term = Term(field.varint);
        break;
      case 5:
        message.log_term = Term(field.varint);
        break;
      case 6:
        message.index = Index(field.varint);
        break;
      case 8:
        message.commit = Index(field.varint);
        break;
      case 10:
        message.reject = field.as_bool();
        break;
      case 11:
        message.reject_hint = Index(field.varint);
        break;
      case 13:
        message.vote = MemberId(field.varint);
        break;
      default:
        break;
    }
  }

  bool read_bytes(const Field& field, Message& message) {
    switch (field.number) {
      case 7:
        return merge(field.bytes, entries_.emplace_back());
      case 9:
        if (!snapshot_) snapshot_.emplace();
        return merge(field.bytes, *snapshot_);
      case 12:
        message.context = SharedBytes(field.bytes);
        return true;
      case 14:
        if (depth_ >= kMaxResponseDepth || message.responses.size() >= kMaxResponses) return false;
        return MessageReader(depth_ + 1).read(field.bytes, message.responses.emplace_back());
      default:
        return true;
    }
  }

  int depth_;
  std::vector<Entry> entries_;
  std::optional<Snapshot> snapshot_;
};

template <class T>
absl::StatusOr<T> decode(std::string_view bytes, std::string_view what) {
  T value;
  if (!merge(bytes, value))
    return absl::InvalidArgumentError(std::string("malformed raftpb.") + std::string(what));
  return value;
}

}  // namespace

size_t encoded_size(const Entry& entry) {
  return (has_type(entry) ? 2 : 0) + nonzero_size(entry.term.value) +
         nonzero_size(entry.index.value) +
         (entry.data.is_nil() ? 0 : bytes_size(entry.data.size()));
}

uint64_t encoded_size(const Entries& entries) {
  uint64_t size = 0;
  for (const Entry& entry : entries) size += encoded_size(entry);
  return size;
}

uint64_t payload_size(const Entries& entries) {
  uint64_t size = 0;
  for (const Entry& entry : entries) size += entry.data.size();
  return size;
}

Entries limit_size(const Entries& entries, uint64_t max_size) {
  if (entries.size() <= 1 || max_size == std::numeric_limits<uint64_t>::max()) return entries;
  uint64_t size = encoded_size(entries[0]);
  for (size_t i = 1; i < entries.size(); ++i) {
    size += encoded_size(entries[i]);
    if (size > max_size) return entries.slice(0, i);
  }
  return entries;
}

void encode(const Entry& entry, std::string& out) {
  Writer writer(out);
  if (has_type(entry)) writer.put_uint64(1, static_cast<uint64_t>(entry.type));
  writer.put_nonzero_uint64(2, entry.term.value);
  writer.put_nonzero_uint64(3, entry.index.value);
  put_present_bytes(writer, 4, entry.data);
}

void encode(const HardState& state, std::string& out) {
  Writer writer(out);
  writer.put_uint64(1, state.term.value);
  writer.put_uint64(2, state.vote.value);
  writer.put_uint64(3, state.commit.value);
}

void encode(const ConfState& state, std::string& out) {
  Writer writer(out);
  put_ids(writer, 1, state.voters);
  put_ids(writer, 2, state.learners);
  put_ids(writer, 3, state.voters_outgoing);
  put_ids(writer, 4, state.learners_next);
  writer.put_bool(5, state.auto_leave);
}

void encode(const Snapshot& snapshot, std::string& out) {
  Writer writer(out);
  put_present_bytes(writer, 1, snapshot.data);
  std::string metadata;
  encode(snapshot.metadata, metadata);
  writer.put_bytes(2, metadata);
}

void encode(const ConfChange& change, std::string& out) {
  Writer writer(out);
  writer.put_nonzero_uint64(1, change.id);
  writer.put_uint64(2, static_cast<uint64_t>(change.type));
  writer.put_uint64(3, change.node_id.value);
  put_present_bytes(writer, 4, change.context);
}

void encode(const ConfChangeV2& change, std::string& out) {
  Writer writer(out);
  writer.put_uint64(1, static_cast<uint64_t>(change.transition));
  for (const ConfChangeSingle& single : change.changes) {
    std::string nested;
    encode(single, nested);
    writer.put_bytes(2, nested);
  }
  put_present_bytes(writer, 3, change.context);
}

void encode(const Message& message, std::string& out) {
  Writer writer(out);
  writer.put_nonzero_int64(1, static_cast<int32_t>(message.type));
  writer.put_nonzero_uint64(2, message.to.value);
  writer.put_nonzero_uint64(3, message.from.value);
  writer.put_nonzero_uint64(4, message.term.value);
  writer.put_nonzero_uint64(5, message.log_term.value);
  writer.put_nonzero_uint64(6, message.index.value);
  for (const Entry& entry : message.entries) {
    writer.tag(7, Type::bytes);
    writer.varint(encoded_size(entry));
    encode(entry, out);
  }
  writer.put_nonzero_uint64(8, message.commit.value);
  if (message.snapshot) writer.put_bytes(9, encoded(*message.snapshot));
  if (message.reject) writer.put_bool(10, true);
  writer.put_nonzero_uint64(11, message.reject_hint.value);
  put_present_bytes(writer, 12, message.context);
  writer.put_nonzero_uint64(13, message.vote.value);
  for (const Message& response : message.responses) writer.put_bytes(14, encoded(response));
}

absl::StatusOr<Entry> decode_entry(std::string_view bytes) { return decode<Entry>(bytes, "Entry"); }
absl::StatusOr<HardState> decode_hard_state(std::string_view bytes) {
  return decode<HardState>(bytes, "HardState");
}
absl::StatusOr<ConfState> decode_conf_state(std::string_view bytes) {
  return decode<ConfState>(bytes, "ConfState");
}
absl::StatusOr<Snapshot> decode_snapshot(std::string_view bytes) {
  return decode<Snapshot>(bytes, "Snapshot");
}
absl::StatusOr<ConfChange> decode_conf_change(std::string_view bytes) {
  return decode<ConfChange>(bytes, "ConfChange");
}
absl::StatusOr<ConfChangeV2> decode_conf_change_v2(std::string_view bytes) {
  return decode<ConfChangeV2>(bytes, "ConfChangeV2");
}

absl::StatusOr<Message> decode_message(std::string_view bytes) {
  Message message;
  if (!MessageReader(0).read(bytes, message))
    return absl::InvalidArgumentError("malformed raftpb.Message");
  return message;
}

}  // namespace holdfast::raft
