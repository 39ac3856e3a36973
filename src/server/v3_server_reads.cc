// V3Server's reads: of a snapshot of the store on the caller's own thread, after a read index
// unless the client asked for what is here (KV-13, TXN-13).
#include <utility>

#include "apply/checks.h"
#include "apply/quota.h"
#include "apply/range.h"
#include "apply/txn.h"
#include "base/errors.h"
#include "base/go_text.h"
#include "fmt/format.h"
#include "mvcc/store.h"
#include "rpc.pb.h"
#include "server/range_encoder.h"
#include "server/request_text.h"
#include "server/response_header.h"
#include "server/v3_server_parts.h"

namespace holdfast::server {

namespace {

namespace pb = etcdserverpb;

absl::Status check(const RangeView& request) {
  if (request.key.empty()) return error(EtcdError::empty_key);
  if (!pb::RangeRequest::SortOrder_IsValid(request.sort_order) ||
      !pb::RangeRequest::SortTarget_IsValid(request.sort_target))
    return error(EtcdError::invalid_sort_option);
  return absl::OkStatus();
}

// Room for the answer to most reads of one key, so that it need not grow from nothing.
constexpr size_t kUsualAnswerBytes = 512;

// What the store gives by itself can be taken over as it is.
bool in_key_order(const RangeView& request) {
  return request.sort_target == pb::RangeRequest::KEY &&
         request.sort_order != pb::RangeRequest::DESCEND && !request.has_revision_filters();
}

std::string loggable_response(const pb::TxnResponse& response) {
  std::string counts;
  for (const pb::ResponseOp& op : response.responses())
    if (op.has_response_range())
      counts += fmt::format("{}range_response_count:{}", counts.empty() ? "" : " ",
                            op.response_range().kvs_size());
  return fmt::format("responses:<{}> size:{}", counts, response.ByteSizeLong());
}

}  // namespace

// A range while it waits for its read index, or for a thread that has time for it.
struct V3Server::WaitingRange {
  CallContext context;
  RangeView request;
  Cancelled cancelled;
  Authorization authorization;
  env::Instant started;
  RangeDone done;
};

// A transaction that only reads, the same.
struct V3Server::WaitingTxn {
  CallContext context;
  std::unique_ptr<pb::TxnRequest> request;
  Cancelled cancelled;
  env::Instant started;
  ProposalDone done;
};

void V3Server::range(const CallContext& context, const RangeView& request, Cancelled cancelled,
                     RangeDone done) {
  if (absl::Status status = check(request); !status.ok()) return done(std::move(status));
  start_range(context, request, cancelled, Authorization::caller, std::move(done));
}

void V3Server::health_read(const CallContext& context, Consistency consistency, ReadDone done) {
  RangeView request;
  request.keys_only = true;
  request.limit = 1;
  request.serializable = consistency == Consistency::local;
  start_range(context, request, {}, Authorization::root,
              [done = std::move(done)](absl::StatusOr<std::string> answer) mutable {
                done(answer.status());
              });
}

void V3Server::start_range(const CallContext& context, const RangeView& request,
                           Cancelled cancelled, Authorization authorization, RangeDone done) {
  const env::Instant started = parts_.clock.now();
  auto waiting = std::make_unique<WaitingRange>(
      WaitingRange{context, request, cancelled, authorization, started, std::move(done)});
  if (request.serializable) return carry_out(std::move(waiting));
  parts_.reader.wait_read(context, [this, waiting = std::move(waiting)](absl::Status status) mutable {
    if (status.ok()) return carry_out(std::move(waiting));
    finish_range(waiting->request, waiting->started, std::move(status), waiting->done);
  });
}

void V3Server::carry_out(std::unique_ptr<WaitingRange> waiting) {
  const auto read = [this](WaitingRange& w, Cancelled cancelled) {
    return read_range(w.context, w.request, cancelled, w.authorization);
  };
  const auto finish = [this](WaitingRange& w, absl::StatusOr<std::string> answer) {
    finish_range(w.request, w.started, std::move(answer), w.done);
  };
  // One key is never long, and comes most often.
  if (waiting->request.range_end.empty()) return finish(*waiting, read(*waiting, waiting->cancelled));
  long_reads_.carry_out(std::move(waiting), read, finish);
}

absl::StatusOr<std::string> V3Server::read_range(const CallContext& context,
                                                 const RangeView& request, Cancelled cancelled,
                                                 Authorization authorization) const {
  if (authorization == Authorization::root) return encode_range(request, cancelled);
  if (absl::Status status = parts_.access.may_range(context.auth, request.key, request.range_end);
      !status.ok())
    return status;
  auto answer = encode_range(request, cancelled);
  // KV-14: who was allowed to read may not be any more.
  if (absl::Status status = check_auth_revision(context.auth); !status.ok()) return status;
  return answer;
}

absl::StatusOr<std::string> V3Server::encode_range(const RangeView& request,
                                                   Cancelled cancelled) const {
  const env::Instant began = parts_.clock.now();
  const std::function<bool()> ask = cancelled.as_function();
  const auto store = parts_.member.store();
  mvcc::ReadTxn txn = store->read();
  auto answer = in_key_order(request) ? encode_in_key_order(txn, request, ask ? &ask : nullptr)
                                      : encode_sorted(txn, request, ask ? &ask : nullptr);
  metrics_->store_range.observe(parts_.clock.now() - began, answer.ok());
  return answer;
}

absl::StatusOr<std::string> V3Server::encode_in_key_order(
    mvcc::ReadTxn& txn, const RangeView& request, const std::function<bool()>* cancelled) const {
  std::string out;
  out.reserve(kUsualAnswerBytes);
  append_header(out, parts_.member, txn.revision());
  const auto read = append_pairs(out, txn,
                                 {.key = request.key,
                                  .end = request.range_end,
                                  .limit = request.limit,
                                  .revision = request.revision,
                                  .keys_only = request.keys_only,
                                  .count_only = request.count_only,
                                  .cancelled = cancelled});
  if (!read.ok()) return read.status();
  append_more_and_count(out, read->more, read->count);
  return out;
}

absl::StatusOr<std::string> V3Server::encode_sorted(mvcc::ReadTxn& txn, const RangeView& request,
                                                    const std::function<bool()>* cancelled) const {
  pb::RangeResponse response;
  absl::Status status =
      apply::execute_range(txn, to_message(request), {.cancelled = cancelled}, response);
  if (!status.ok()) return status;
  fill_identity(*response.mutable_header(), parts_.member);
  return response.SerializeAsString();
}

void V3Server::finish_range(const RangeView& request, env::Instant started,
                            absl::StatusOr<std::string> answer, RangeDone& done) const {
  const env::Duration took = parts_.clock.now() - started;
  metrics_->range.observe(took, answer.ok());
  if (took > options_.warning_apply_duration) {
    warn_of_slow_read(took, "read-only range ", loggable(request),
                      answer.ok() ? fmt::format("size:{}", answer->size()) : "", answer.status());
  }
  done(std::move(answer));
}

void V3Server::warn_of_slow_read(env::Duration took, std::string_view prefix,
                                 const std::string& request, const std::string& response,
                                 const absl::Status& status) const {
  metrics_->slow.increment();
  std::vector<LogField> fields = {
      {"took", go_duration(took)},
      {"expected-duration", go_duration(options_.warning_apply_duration)},
      {"prefix", prefix},
      {"request", request},
      {"response", response}};
  if (!status.ok()) fields.emplace_back("error", message(status));
  if (parts_.log.enabled(LogLevel::warn))
    parts_.log.write(LogLevel::warn, "apply request took too long", fields, __FILE__, __LINE__);
}

void V3Server::range_stream(const CallContext& context, const RangeView& request,
                            Cancelled cancelled, StreamOpened opened) {
  if (absl::Status status = check(request); !status.ok()) return opened(std::move(status));
  if (!request.has_default_order()) return opened(error(EtcdError::range_stream_custom_sort));
  if (request.has_revision_filters())
    return opened(error(EtcdError::range_stream_revision_filters));

  const auto open = [this, cancelled](
                        const CallContext& context,
                        const RangeView& request) -> absl::StatusOr<std::unique_ptr<RangeStream>> {
    if (absl::Status status = parts_.access.may_range(context.auth, request.key, request.range_end);
        !status.ok())
      return status;
    return std::make_unique<RangeStream>(
        parts_.member, parts_.access, context.auth, request, cancelled,
        RangeStream::Options{.target_chunk_bytes =
                                 static_cast<int64_t>(options_.max_request_bytes)});
  };
  if (request.serializable) return opened(open(context, request));
  struct Waiting {
    CallContext context;
    RangeView request;
    StreamOpened opened;
  };
  auto waiting = std::make_unique<Waiting>(Waiting{context, request, std::move(opened)});
  parts_.reader.wait_read(context, [open, waiting = std::move(waiting)](absl::Status status) {
    if (!status.ok()) return waiting->opened(std::move(status));
    waiting->opened(open(waiting->context, waiting->request));
  });
}

// --- txn ---

void V3Server::txn(const CallContext& context, std::unique_ptr<pb::TxnRequest> request,
                   std::string_view bytes, Cancelled cancelled, ProposalDone done) {
  if (!has_room(apply::cost(*request))) return refuse_for_room(context, std::move(done));
  if (absl::Status status = apply::check_txn_request(*request, options_.max_txn_ops); !status.ok())
    return fail(done, std::move(status));
  if (!apply::is_txn_read_only(*request))
    return parts_.proposer.propose(context, Command::txn, bytes, std::move(done));
  const bool serializable = apply::is_txn_serializable(*request);
  auto waiting = std::make_unique<WaitingTxn>(
      WaitingTxn{context, std::move(request), cancelled, parts_.clock.now(), std::move(done)});
  if (serializable) return carry_out(std::move(waiting));
  parts_.reader.wait_read(context, [this, waiting = std::move(waiting)](absl::Status status) mutable {
    if (status.ok()) return carry_out(std::move(waiting));
    fail(waiting->done, std::move(status));  // etcd counts it nowhere
  });
}

void V3Server::carry_out(std::unique_ptr<WaitingTxn> waiting) {
  long_reads_.carry_out(
      std::move(waiting),
      [this](WaitingTxn& w, Cancelled cancelled) { return read_txn(w.context, *w.request, cancelled); },
      [this](WaitingTxn& w, auto response) { finish_txn(*w.request, w.started, std::move(response), w.done); });
}

absl::StatusOr<std::unique_ptr<pb::TxnResponse>> V3Server::read_txn(const CallContext& context,
                                                                    const pb::TxnRequest& request,
                                                                    Cancelled cancelled) const {
  if (absl::Status status = parts_.access.may_txn(context.auth, request); !status.ok())
    return status;
  const std::function<bool()> ask = cancelled.as_function();
  const auto store = parts_.member.store();
  mvcc::ReadTxn txn = store->read();
  auto response = apply::read_txn(txn, request, ask ? &ask : nullptr);
  if (absl::Status status = check_auth_revision(context.auth); !status.ok()) return status;
  return response;
}

void V3Server::finish_txn(const pb::TxnRequest& request, env::Instant started,
                          absl::StatusOr<std::unique_ptr<pb::TxnResponse>> response,
                          ProposalDone& done) const {
  const env::Duration took = parts_.clock.now() - started;
  metrics_->read_only_txn.observe(took, response.ok());
  if (took > options_.warning_apply_duration)
    warn_of_slow_read(took, "read-only txn ", loggable(request),
                      response.ok() ? loggable_response(**response) : "", response.status());
  if (!response.ok()) return fail(done, response.status());
  auto result = std::make_unique<apply::Result>();
  result->response = *std::move(response);
  done(std::move(result));
}

}  // namespace holdfast::server
