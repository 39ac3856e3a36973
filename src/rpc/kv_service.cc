// etcdserverpb.KV. Range and Put, which come most often, are read and answered without protobuf
// objects of their own.
#include <utility>

#include "base/errors.h"
#include "base/wire.h"
#include "mvcc/store.h"
#include "rpc.pb.h"
#include "rpc/range_stream_session.h"
#include "rpc/rpc.h"

namespace holdfast::rpc {

namespace {

namespace pb = etcdserverpb;

// Asked by a read on the call's own thread, where only its deadline can pass meanwhile, or on one for long reads.
server::Cancelled cancelled_with(const net::UnaryCall& call) {
  return {[](const void* whom) {
            const auto& call = *static_cast<const net::UnaryCall*>(whom);
            return call.cancelled() ||
                   (call.deadline() && call.executor().now() > *call.deadline());
          },
          &call};
}

void range(const Rpc& rpc, net::UnaryCallRef call) {
  const auto request = server::parse_range(call->request());
  if (!request) return rpc.replies.refuse(*call, malformed_request());
  const OnLearner on_learner = request->serializable ? OnLearner::served : OnLearner::refused;
  if (absl::Status status = rpc.gate.admit(*call, on_learner); !status.ok())
    return rpc.replies.refuse(*call, status);
  const auto context = rpc.gate.context(*call);
  if (!context.ok()) return rpc.replies.answer(*call, context.status());
  const server::Cancelled cancelled = cancelled_with(*call);
  rpc.v3.range(*context, *request, cancelled, rpc.replies.of_bytes(std::move(call)));
}

// A put's answer is its header, and now and then a pair.
void answer_put(const Rpc& rpc, net::UnaryCall& call, apply::Result& result) {
  if (!result.status.ok()) return rpc.replies.answer(call, result.status);
  std::string out;
  out.reserve(server::kHeaderBytesMax);
  server::append_header(out, rpc.replies.member(), result.revision);
  if (result.response != nullptr) {
    const auto& response = result.as<pb::PutResponse>();
    if (response.has_prev_kv())
      wire::Writer(out).put_bytes(pb::PutResponse::kPrevKvFieldNumber,
                                  response.prev_kv().SerializeAsString());
  }
  rpc.replies.answer(call, std::move(out));
}

void put(const Rpc& rpc, net::UnaryCallRef call) {
  const auto request = server::parse_put(call->request());
  if (!request) return rpc.replies.refuse(*call, malformed_request());
  if (absl::Status status = rpc.gate.admit(*call, OnLearner::refused); !status.ok())
    return rpc.replies.refuse(*call, status);
  const auto context = rpc.gate.context(*call);
  if (!context.ok()) return rpc.replies.answer(*call, context.status());
  rpc.v3.put(*context, *request,
             [&rpc, call = std::move(call)](std::unique_ptr<apply::Result> result) {
               answer_put(rpc, *call, *result);
             });
}

}  // namespace

void register_kv(net::GrpcServer& server, const Rpc& rpc) {
  server.register_unary("/etcdserverpb.KV/Range",
                        [&rpc](net::UnaryCallRef call) { range(rpc, std::move(call)); });
  server.register_unary("/etcdserverpb.KV/Put",
                        [&rpc](net::UnaryCallRef call) { put(rpc, std::move(call)); });
  server.register_stream("/etcdserverpb.KV/RangeStream", net::MethodKind::server_stream,
                         [&rpc](net::StreamCallRef call) -> std::unique_ptr<net::StreamSession> {
                           return open_range_stream(rpc, std::move(call));
                         });
  register_unary<pb::DeleteRangeRequest>(
      server, rpc, "/etcdserverpb.KV/DeleteRange", OnLearner::refused,
      [&rpc](net::UnaryCallRef call, auto request, const server::CallContext& context) {
        const std::string_view bytes = call->request();
        rpc.v3.delete_range(context, *request, bytes,
                            rpc.replies.of_proposal<pb::DeleteRangeResponse>(std::move(call)));
      });
  register_unary<pb::TxnRequest>(
      server, rpc, "/etcdserverpb.KV/Txn", OnLearner::refused,
      [&rpc](net::UnaryCallRef call, auto request, const server::CallContext& context) {
        const std::string_view bytes = call->request();
        const server::Cancelled cancelled = cancelled_with(*call);
        rpc.v3.txn(context, std::move(request), bytes, cancelled,
                   rpc.replies.of_proposal<pb::TxnResponse>(std::move(call)));
      });
  register_unary<pb::CompactionRequest>(
      server, rpc, "/etcdserverpb.KV/Compact", OnLearner::refused,
      [&rpc](net::UnaryCallRef call, auto request, const server::CallContext& context) {
        const std::string_view bytes = call->request();
        rpc.v3.compact(context, *request, bytes,
                       rpc.replies.of_proposal<pb::CompactionResponse>(std::move(call)));
      });
}

}  // namespace holdfast::rpc
