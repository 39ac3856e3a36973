#include "mvcc/watch_events.h"

#include "base/wire.h"

namespace holdfast::mvcc {

void WatchEvents::add(const Change& change) {
  const Revision revision(change.revision.main);
  if (revisions_.empty() || revisions_.back().revision != revision)
    revisions_.push_back({revision, events_.size(), 0});
  ++revisions_.back().count;

  const std::string_view key = change.pair.key;
  Event event{.body = bytes_.size(),
              .body_size = 0,
              .key_size = static_cast<uint32_t>(key.size()),
              .key_offset = 0,
              .revision = static_cast<uint32_t>(revisions_.size() - 1),
              .deleted = change.deleted,
              .created = !change.deleted && change.pair.create_revision == revision};
  wire::Writer writer(bytes_);
  if (change.deleted) {
    // The stored record of a delete lacks mod_revision.
    const size_t kv_size = 1 + wire::varint_size(key.size()) + key.size() + 1 +
                           wire::varint_size(static_cast<uint64_t>(revision.value));
    writer.put_uint64(1, 1);
    writer.tag(2, wire::Type::bytes);
    writer.varint(kv_size);
    writer.put_bytes(1, key);
    event.key_offset = static_cast<uint32_t>(bytes_.size() - key.size() - event.body);
    writer.put_int64(3, revision.value);
  } else {
    const size_t kv_at = bytes_.size() + 1 + wire::varint_size(change.pair.encoded.size());
    writer.put_bytes(2, change.pair.encoded);
    // The pair's views point into `encoded`.
    event.key_offset =
        static_cast<uint32_t>(kv_at + (key.data() - change.pair.encoded.data()) - event.body);
  }
  event.body_size = static_cast<uint32_t>(bytes_.size() - event.body);
  events_.push_back(event);
}

}  // namespace holdfast::mvcc
