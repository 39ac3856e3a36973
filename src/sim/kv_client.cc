#include "sim/kv_client.h"

#include <memory>
#include <string>
#include <utility>

#include "apply/result.h"
#include "base/errors.h"
#include "rpc.pb.h"
#include "sim/kv_messages.h"

namespace holdfast::sim {

namespace {

namespace pb = etcdserverpb;

pb::PutRequest put_request(const KvOp& op, int64_t lease) {
  pb::PutRequest request;
  request.set_key(op.key);
  request.set_value(op.value);
  request.set_prev_kv(op.prev_kv);
  request.set_lease(lease);
  return request;
}

pb::RangeRequest range_request(const KvOp& op) {
  pb::RangeRequest request;
  request.set_key(op.key);
  request.set_range_end(op.end);
  request.set_limit(op.limit);
  request.set_revision(op.revision);
  request.set_serializable(op.serializable);
  return request;
}

pb::DeleteRangeRequest delete_request(const KvOp& op) {
  pb::DeleteRangeRequest request;
  request.set_key(op.key);
  request.set_range_end(op.end);
  request.set_prev_kv(op.prev_kv);
  return request;
}

void fill(pb::Compare& out, const KvCompare& compare) {
  out.set_key(compare.key);
  switch (compare.result) {
    case KvCompare::Result::equal: out.set_result(pb::Compare::EQUAL); break;
    case KvCompare::Result::greater: out.set_result(pb::Compare::GREATER); break;
    case KvCompare::Result::less: out.set_result(pb::Compare::LESS); break;
    case KvCompare::Result::not_equal: out.set_result(pb::Compare::NOT_EQUAL); break;
  }
  switch (compare.target) {
    case KvCompare::Target::version:
      out.set_target(pb::Compare::VERSION);
      out.set_version(compare.number);
      break;
    case KvCompare::Target::create:
      out.set_target(pb::Compare::CREATE);
      out.set_create_revision(compare.number);
      break;
    case KvCompare::Target::mod:
      out.set_target(pb::Compare::MOD);
      out.set_mod_revision(compare.number);
      break;
    case KvCompare::Target::value:
      out.set_target(pb::Compare::VALUE);
      out.set_value(compare.value);
      break;
  }
}

void fill(pb::TxnRequest& out, const KvOp& op, int64_t lease);

void fill(pb::RequestOp& out, const KvOp& op, int64_t lease) {
  switch (op.kind) {
    case KvKind::put: *out.mutable_request_put() = put_request(op, lease); break;
    case KvKind::range: *out.mutable_request_range() = range_request(op); break;
    case KvKind::delete_range: *out.mutable_request_delete_range() = delete_request(op); break;
    case KvKind::txn: fill(*out.mutable_request_txn(), op, lease); break;
    case KvKind::compact: break;
  }
}

void fill(pb::TxnRequest& out, const KvOp& op, int64_t lease) {
  for (const KvCompare& compare : op.compares) fill(*out.add_compare(), compare);
  for (const KvOp& child : op.then_ops) fill(*out.add_success(), child, lease);
  for (const KvOp& child : op.else_ops) fill(*out.add_failure(), child, lease);
}

template <class Response>
server::ProposalDone answer_with(const KvOp& op, KvAnswered answered) {
  return [op, answered = std::move(answered)](std::unique_ptr<apply::Result> result) mutable {
    if (!result->status.ok()) return answered({outcome_of(op, result->status), {}, result->status, 0});
    answered({Outcome::ok, result_of(result->as<Response>()), {}, 0});
  };
}

}  // namespace

void grant_lease(server::V3Server& server, const server::CallContext& context, int64_t id, int64_t ttl_seconds,
                 KvAnswered answered) {
  pb::LeaseGrantRequest request;
  request.set_id(id);
  request.set_ttl(ttl_seconds);
  server.lease_grant(context, request, request.SerializeAsString(),
                     [answered = std::move(answered)](std::unique_ptr<apply::Result> result) mutable {
                       if (!result->status.ok()) return answered({Outcome::unknown, {}, result->status, 0});
                       answered({Outcome::ok, {}, {}, result->as<pb::LeaseGrantResponse>().ttl()});
                     });
}

void revoke_lease(server::V3Server& server, const server::CallContext& context, int64_t id, KvAnswered answered) {
  pb::LeaseRevokeRequest request;
  request.set_id(id);
  server.lease_revoke(context, request, request.SerializeAsString(),
                      [answered = std::move(answered)](std::unique_ptr<apply::Result> result) mutable {
                        answered({result->status.ok() ? Outcome::ok : Outcome::unknown, {}, result->status, 0});
                      });
}

Outcome outcome_of(const KvOp& op, const absl::Status& status) {
  if (status.ok()) return Outcome::ok;
  if (is(status, EtcdError::compacted)) return Outcome::compacted;
  if (is(status, EtcdError::future_rev)) return Outcome::future_revision;
  if (is(status, EtcdError::too_many_requests) || is(status, EtcdError::request_too_large) ||
      is(status, EtcdError::lease_not_found))
    return Outcome::refused;
  return op.writes() || op.kind == KvKind::compact ? Outcome::unknown : Outcome::refused;
}

void perform(server::V3Server& server, const server::CallContext& context, const KvOp& op, int64_t lease,
             KvAnswered answered) {
  switch (op.kind) {
    case KvKind::put: {
      // The view points into the bytes until the answer is there.
      auto bytes = std::make_unique<std::string>(put_request(op, lease).SerializeAsString());
      const auto view = server::parse_put(*bytes);
      server.put(context, *view,
                 [bytes = std::move(bytes), done = answer_with<pb::PutResponse>(op, std::move(answered))](
                     std::unique_ptr<apply::Result> result) mutable { done(std::move(result)); });
      return;
    }
    case KvKind::range: {
      auto request = std::make_unique<pb::RangeRequest>(range_request(op));
      const server::RangeView view = server::view_of(*request);
      server.range(context, view, {},
                   [op, request = std::move(request),
                    answered = std::move(answered)](absl::StatusOr<std::string> bytes) mutable {
                     if (!bytes.ok()) return answered({outcome_of(op, bytes.status()), {}, bytes.status(), 0});
                     pb::RangeResponse response;
                     response.ParseFromString(*bytes);
                     answered({Outcome::ok, result_of(response), {}, 0});
                   });
      return;
    }
    case KvKind::delete_range: {
      const pb::DeleteRangeRequest request = delete_request(op);
      server.delete_range(context, request, request.SerializeAsString(),
                          answer_with<pb::DeleteRangeResponse>(op, std::move(answered)));
      return;
    }
    case KvKind::txn: {
      auto request = std::make_unique<pb::TxnRequest>();
      fill(*request, op, lease);
      const std::string bytes = request->SerializeAsString();
      server.txn(context, std::move(request), bytes, {},
                 answer_with<pb::TxnResponse>(op, std::move(answered)));
      return;
    }
    case KvKind::compact: {
      pb::CompactionRequest request;
      request.set_revision(op.revision);
      server.compact(context, request, request.SerializeAsString(),
                     [op, answered = std::move(answered)](std::unique_ptr<apply::Result> result) mutable {
                       answered({outcome_of(op, result->status), {}, result->status, 0});
                     });
      return;
    }
  }
}

}  // namespace holdfast::sim
