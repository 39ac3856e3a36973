// Reads that may be long: how they are given up, and how they are taken in pieces.
#pragma once

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "base/types.h"
#include "mvcc/store.h"
#include "server/access_control.h"
#include "server/member_info.h"
#include "server/request_views.h"

namespace holdfast::server {

// Asked during a long read; true: nobody waits for it any more. Costs no allocation, so that short
// reads can carry it.
struct Cancelled {
  bool (*ask)(const void* whom) = nullptr;
  const void* whom = nullptr;

  // What mvcc takes; null if there is nobody to ask.
  std::function<bool()> as_function() const {
    if (ask == nullptr) return nullptr;
    return [ask = ask, whom = whom] { return ask(whom); };
  }
};

// The answer to one RangeStream call, chunk by chunk, at the pace of whoever pulls (RS-01..08; etcd
// rangeStream). No transaction is open between two chunks: later ones read the revision of the
// first, and may find it compacted. Chunks come in key order; within each, pairs are sorted by the
// sort target, as etcd's are (but etcd then goes on after the last pair, not after the greatest key,
// and loses or repeats some).
//
// Used on one executor.
class RangeStream {
 public:
  struct Options {
    int64_t target_chunk_bytes = 1'572'864;  // --max-request-bytes (RS-03)
  };
  // `cancelled` is asked while values are fetched; whom it asks outlives the stream.
  RangeStream(const MemberInfo& member, const AccessControl& access, AuthInfo auth,
              const RangeView& request, Cancelled cancelled, Options options);

  // The next message, a serialized RangeStreamResponse with its header filled in if it has one
  // (RS-05, RS-07), or the error that ends the stream. Not after is_done() or an error.
  absl::StatusOr<std::string> next();
  // The last message was given out.
  bool is_done() const { return done_; }
  // How the stream ends after its last message: OK, or auth_old_revision (RS-08).
  absl::Status final_status() const;

 private:
  absl::StatusOr<std::string> count_only();
  absl::StatusOr<std::string> sorted_pairs(mvcc::TxnRead& txn, std::string_view end) const;
  void choose_next_limit(int64_t chunk_bytes);

  const MemberInfo& member_;
  const AccessControl& access_;
  const AuthInfo auth_;
  const std::function<bool()> cancelled_;  // may be empty
  const Options options_;

  std::string range_end_;
  std::string next_key_;
  int sort_target_;  // 0: the key
  bool keys_only_;
  bool count_only_;
  int64_t total_limit_;  // <= 0 of the request: none
  int64_t chunk_limit_;
  int64_t sent_ = 0;
  int64_t revision_;             // read at; 0 until pinned
  int64_t header_revision_ = 0;  // the store's when the first chunk was read
  bool done_ = false;
};

}  // namespace holdfast::server
