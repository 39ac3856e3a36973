#include "server/range_encoder.h"

#include <limits>

#include "base/wire.h"

namespace holdfast::server {

namespace {

void append_pair(std::string& out, const mvcc::KeyValueView& pair) {
  wire::Writer writer(out);
  if (!pair.encoded.empty()) {
    writer.put_bytes(2, pair.encoded);
    return;
  }
  const size_t size = mvcc::encoded_size(pair);
  writer.tag(2, wire::Type::bytes);
  writer.varint(size);
  const size_t at = out.size();
  out.resize(at + size);
  mvcc::encode(pair, out.data() + at);
}

}  // namespace

absl::StatusOr<EncodedRange> append_pairs(std::string& out, mvcc::TxnRead& txn,
                                          const RangeToEncode& range) {
  mvcc::RangeOptions options;
  options.revision = Revision(range.revision);
  // KV-04: one more than asked for tells whether there are more.
  options.limit = range.limit;
  if (range.limit > 0 && range.limit < std::numeric_limits<int64_t>::max()) ++options.limit;
  options.kind = range.count_only  ? mvcc::RangeKind::count_only
                 : range.keys_only ? mvcc::RangeKind::keys_only
                                   : mvcc::RangeKind::pairs;
  options.count = range.count;
  options.cancelled = range.cancelled;

  EncodedRange result;
  auto summary = txn.visit(range.key, range.end, options, [&](const mvcc::KeyValueView& pair) {
    if (range.limit > 0 && result.pairs == range.limit) {
      result.more = true;
      return;
    }
    append_pair(out, pair);
    ++result.pairs;
    if (range.want_last_key && result.pairs == range.limit) result.last_key.assign(pair.key);
  });
  if (!summary.ok()) return summary.status();
  result.count = summary->count;
  result.revision = summary->revision;
  return result;
}

void append_more_and_count(std::string& out, bool more, int64_t count) {
  wire::Writer writer(out);
  if (more) writer.put_bool(3, true);
  writer.put_nonzero_int64(4, count);
}

}  // namespace holdfast::server
