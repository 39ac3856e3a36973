#include "server/range_stream.h"

#include <algorithm>
#include <limits>

#include "apply/range.h"
#include "base/errors.h"
#include "base/wire.h"
#include "mvcc/store.h"
#include "rpc.pb.h"
#include "server/range_encoder.h"
#include "server/response_header.h"

namespace holdfast::server {

namespace {

constexpr int64_t kFirstChunkLimit = 10;  // RS-03

// RangeStreamResponse{range_response = 1}, around what was written from `body` on.
std::string wrap(std::string_view body) {
  std::string message;
  message.reserve(body.size() + 11);
  wire::Writer(message).put_bytes(1, body);
  return message;
}

}  // namespace

RangeStream::RangeStream(const MemberInfo& member, const AccessControl& access, AuthInfo auth,
                         const RangeView& request, Cancelled cancelled, Options options)
    : member_(member),
      access_(access),
      auth_(std::move(auth)),
      cancelled_(cancelled.as_function()),
      options_(options),
      range_end_(request.range_end),
      next_key_(request.key),
      sort_target_(request.sort_target),
      keys_only_(request.keys_only),
      count_only_(request.count_only),
      total_limit_(request.limit != 0 ? request.limit : std::numeric_limits<int64_t>::max()),
      chunk_limit_(std::min(kFirstChunkLimit, total_limit_)),
      revision_(request.revision) {}

absl::StatusOr<std::string> RangeStream::count_only() {
  const auto store = member_.store();
  mvcc::ReadTxn txn = store->read();
  std::string body;
  auto read = append_pairs(body, txn,
                           {.key = next_key_,
                            .end = range_end_,
                            .revision = revision_,
                            .count_only = true,
                            .cancelled = cancelled_ ? &cancelled_ : nullptr});
  if (!read.ok()) return read.status();
  append_header(body, member_, read->revision);
  append_more_and_count(body, false, read->count);
  done_ = true;
  return wrap(body);
}

absl::StatusOr<std::string> RangeStream::next() {
  if (count_only_) return count_only();
  const auto store = member_.store();
  mvcc::ReadTxn txn = store->read();
  std::string pairs;
  RangeToEncode chunk{.key = next_key_,
                      .end = range_end_,
                      .limit = chunk_limit_,
                      .revision = revision_,
                      .keys_only = keys_only_,
                      .count = mvcc::Count::up_to_limit,
                      .want_last_key = true,
                      .cancelled = cancelled_ ? &cancelled_ : nullptr};
  auto read = append_pairs(pairs, txn, chunk);
  if (!read.ok()) return read.status();
  if (header_revision_ == 0) {
    header_revision_ = read->revision.value;
    if (revision_ == 0) revision_ = header_revision_;
  }
  if (sort_target_ != 0) {
    auto sorted = sorted_pairs(txn, read->more ? read->last_key + '\0' : range_end_);
    if (!sorted.ok()) return sorted.status();
    pairs = *std::move(sorted);
  }
  sent_ += read->pairs;
  if (read->more) next_key_ = read->last_key + '\0';
  if (read->more && sent_ != total_limit_) {
    choose_next_limit(static_cast<int64_t>(pairs.size()));
    return wrap(pairs);
  }

  // RS-05: the last message says what the whole answer is.
  int64_t count = sent_;
  if (read->more) {
    std::string nothing;
    chunk = {.key = next_key_,
             .end = range_end_,
             .revision = revision_,
             .count_only = true,
             .cancelled = cancelled_ ? &cancelled_ : nullptr};
    auto rest = append_pairs(nothing, txn, chunk);
    if (!rest.ok()) return rest.status();
    count += rest->count;
  }
  done_ = true;
  std::string body;
  body.reserve(kHeaderBytesMax + pairs.size() + 13);
  append_header(body, member_, Revision(header_revision_));
  body += pairs;
  append_more_and_count(body, read->more, count);
  return wrap(body);
}

// Those from next_key_ on.
absl::StatusOr<std::string> RangeStream::sorted_pairs(mvcc::TxnRead& txn, std::string_view end) const {
  etcdserverpb::RangeRequest request;
  request.set_key(next_key_);
  request.set_range_end(std::string(end));
  request.set_revision(revision_);
  request.set_sort_target(static_cast<etcdserverpb::RangeRequest::SortTarget>(sort_target_));
  request.set_keys_only(keys_only_);
  etcdserverpb::RangeResponse response;
  absl::Status status =
      apply::execute_range(txn, request, {.cancelled = cancelled_ ? &cancelled_ : nullptr}, response);
  if (!status.ok()) return status;
  response.clear_header();
  response.clear_count();
  return response.SerializeAsString();
}

// RS-03. Doubles and halves around the target, at least 1 (0 would mean no limit).
void RangeStream::choose_next_limit(int64_t chunk_bytes) {
  if (chunk_bytes < options_.target_chunk_bytes / 2)
    chunk_limit_ *= 2;
  else if (chunk_bytes > options_.target_chunk_bytes * 2)
    chunk_limit_ /= 2;
  chunk_limit_ = std::max<int64_t>(chunk_limit_, 1);
  chunk_limit_ = std::min(chunk_limit_, total_limit_ - sent_);
}

absl::Status RangeStream::final_status() const {
  if (auth_.revision != 0 && auth_.revision != access_.revision())
    return error(EtcdError::auth_old_revision);
  return absl::OkStatus();
}

}  // namespace holdfast::server
