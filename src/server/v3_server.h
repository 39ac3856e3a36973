// The request logic of a member between an RPC and consensus (etcd v3_server.go with the checks of
// v3rpc/key.go and quota.go): what gRPC services, the JSON gateway, HTTP health checks and
// simulated clients all call.
//
// Calls: on context.reply_on; `done` runs exactly once on the same executor, perhaps inside the
// call. A view's bytes and a `cancelled` predicate must live until `done` has run; other `bytes`
// are used inside the call only. An answer's status is one of base/errors.h, or CANCELLED /
// DEADLINE_EXCEEDED in gRPC's own words when the caller gave up (GEN-12).
//
// Order of a write (GEN-15): room (raises the NOSPACE alarm before it answers no_space), then the
// request's fields, then the proposal.
//
// Thread-safe: holds no state but counters; several I/O threads call at once.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "apply/quota.h"
#include "base/log.h"
#include "env/clock.h"
#include "env/metrics.h"
#include "server/access_control.h"
#include "server/long_reads.h"
#include "server/member_info.h"
#include "server/range_stream.h"
#include "server/request_id.h"
#include "server/request_path.h"
#include "server/request_views.h"

namespace etcdserverpb {
class AlarmRequest;
class CompactionRequest;
class DeleteRangeRequest;
class HashKVResponse;
class HashResponse;
class LeaseGrantRequest;
class LeaseRevokeRequest;
class MemberListResponse;
class StatusResponse;
class TxnRequest;
class TxnResponse;
}  // namespace etcdserverpb

namespace holdfast::mvcc {
class ReadTxn;
}

namespace holdfast::server {

// A serialized RangeResponse, header filled in.
using RangeDone = UniqueFunction<void(absl::StatusOr<std::string>)>;
template <class T>
using MessageDone = UniqueFunction<void(absl::StatusOr<std::unique_ptr<T>>)>;

class V3Server {
 public:
  struct Options {
    int max_txn_ops = 128;
    uint64_t max_request_bytes = 1'572'864;
    int64_t quota_backend_bytes = 0;  // --quota-backend-bytes: 0 = 2 GiB, negative = none
    env::Duration warning_apply_duration = std::chrono::milliseconds(100);
  };
  struct Parts {
    Proposer& proposer;
    LinearizableReader& reader;
    const MemberInfo& member;
    MemberOperations& operations;
    const AccessControl& access;
    RequestIdGenerator& ids;
    const env::Clock& clock;
    env::Metrics& metrics;
    Logger& log;
    std::vector<env::Executor*> readers = {};  // see LongReads
  };
  V3Server(Parts parts, Options options);
  ~V3Server();

  const MemberInfo& member() const { return parts_.member; }
  const Options& options() const { return options_; }

  // --- KV ---

  void range(const CallContext& context, const RangeView& request, Cancelled cancelled,
             RangeDone done);
  // Checks, and for a linearizable stream the read index; then the stream to pull from.
  using StreamOpened = UniqueFunction<void(absl::StatusOr<std::unique_ptr<RangeStream>>)>;
  void range_stream(const CallContext& context, const RangeView& request, Cancelled cancelled,
                    StreamOpened opened);
  // The answers' headers hold the revision only; fill_header() does the rest.
  void put(const CallContext& context, const PutView& request, ProposalDone done);
  void delete_range(const CallContext& context, const etcdserverpb::DeleteRangeRequest& request,
                    std::string_view bytes, ProposalDone done);
  void txn(const CallContext& context, std::unique_ptr<etcdserverpb::TxnRequest> request,
           std::string_view bytes, Cancelled cancelled, ProposalDone done);
  // With `physical`, answers when the deletion is done and durable, whatever the outcome (KV-29).
  void compact(const CallContext& context, const etcdserverpb::CompactionRequest& request,
               std::string_view bytes, ProposalDone done);

  // --- Watch ---

  // Asked when a watcher is created, with the range as the client sent it (WAT-06, TRP-22).
  absl::Status may_watch(const AuthInfo& who, std::string_view key, std::string_view end) const {
    return parts_.access.may_range(who, key, end);
  }

  // --- Lease ---

  void lease_grant(const CallContext& context, const etcdserverpb::LeaseGrantRequest& request,
                   std::string_view bytes, ProposalDone done);
  void lease_revoke(const CallContext& context, const etcdserverpb::LeaseRevokeRequest& request,
                    std::string_view bytes, ProposalDone done);

  // --- Maintenance and Cluster; headers are complete ---

  void alarm(const CallContext& context, const etcdserverpb::AlarmRequest& request,
             std::string_view bytes, ProposalDone done);
  absl::StatusOr<std::unique_ptr<etcdserverpb::StatusResponse>> status(
      const CallContext& context) const;
  void hash(const CallContext& context, MessageDone<etcdserverpb::HashResponse> done);
  void hash_kv(const CallContext& context, Revision revision,
               MessageDone<etcdserverpb::HashKVResponse> done);
  void defragment(const CallContext& context, MemberOperations::Done done);
  enum class Consistency : uint8_t { local, linearizable };
  // The backend as a bbolt file, in pieces (MNT-08).
  void snapshot(const CallContext& context,
                UniqueFunction<void(absl::StatusOr<std::unique_ptr<SnapshotPieces>>)> done);
  void member_list(const CallContext& context, Consistency consistency,
                   MessageDone<etcdserverpb::MemberListResponse> done);

  // The read that health checks make, as root: of no key, so that only the way there is tested
  // (HTTP-04, HTTP-05).
  void health_read(const CallContext& context, Consistency consistency, ReadDone done);

 private:
  struct Metrics;
  struct WaitingRange;
  struct WaitingTxn;
  enum class Authorization : uint8_t { caller, root };

  void start_range(const CallContext& context, const RangeView& request, Cancelled cancelled,
                   Authorization authorization, RangeDone done);
  // Where it was asked, or on a thread for long reads; the answer is always given where it was asked.
  void carry_out(std::unique_ptr<WaitingRange> waiting);
  void carry_out(std::unique_ptr<WaitingTxn> waiting);
  absl::StatusOr<std::string> read_range(const CallContext& context, const RangeView& request,
                                         Cancelled cancelled, Authorization authorization) const;
  absl::StatusOr<std::string> encode_range(const RangeView& request, Cancelled cancelled) const;
  absl::StatusOr<std::string> encode_in_key_order(mvcc::ReadTxn& txn, const RangeView& request,
                                                  const std::function<bool()>* cancelled) const;
  absl::StatusOr<std::string> encode_sorted(mvcc::ReadTxn& txn, const RangeView& request,
                                            const std::function<bool()>* cancelled) const;
  void finish_range(const RangeView& request, env::Instant started,
                    absl::StatusOr<std::string> answer, RangeDone& done) const;
  absl::StatusOr<std::unique_ptr<etcdserverpb::TxnResponse>> read_txn(
      const CallContext& context, const etcdserverpb::TxnRequest& request,
      Cancelled cancelled) const;
  void finish_txn(const etcdserverpb::TxnRequest& request, env::Instant started,
                  absl::StatusOr<std::unique_ptr<etcdserverpb::TxnResponse>> response,
                  ProposalDone& done) const;
  void warn_of_slow_read(env::Duration took, std::string_view prefix, const std::string& request,
                         const std::string& response, const absl::Status& status) const;

  bool has_room(int64_t cost_bytes) const {
    return quota_.has_room(parts_.member.db_size(), cost_bytes);
  }
  void refuse_for_room(const CallContext& context, ProposalDone done);
  absl::Status check_auth_revision(const AuthInfo& who) const;

  const Parts parts_;
  const Options options_;
  const apply::Quota quota_;
  std::unique_ptr<Metrics> metrics_;
  LongReads long_reads_;
};

}  // namespace holdfast::server
