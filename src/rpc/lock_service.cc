// v3lockpb.Lock, made of transactions, reads and watches of this server (etcd v3lock, client/v3/concurrency/mutex.go;
// parity LCK-01, LCK-02, CNC-02, CNC-03).
#include <memory>
#include <utility>

#include "base/errors.h"
#include "fmt/format.h"
#include "rpc/inner_client.h"
#include "rpc/rpc.h"
#include "v3lock.pb.h"

namespace holdfast::rpc {

namespace {

namespace pb = etcdserverpb;

class LockOperation : public std::enable_shared_from_this<LockOperation> {
 public:
  LockOperation(const net::GrpcServer& server, const Rpc& rpc, net::UnaryCallRef call,
                const v3lockpb::LockRequest& request)
      : rpc_(rpc),
        call_(std::move(call)),
        client_(std::make_shared<InnerClient>(server, *call_)),
        prefix_(request.name() + "/"),
        lease_(request.lease()) {}

  void run() {
    call_->on_cancel([weak = weak_from_this()] {
      if (auto self = weak.lock()) self->give_up();
    });
    client_->lease_or_grant(lease_, [self = shared_from_this()](absl::Status status, int64_t lease) {
      if (!status.ok()) return self->fail(std::move(status));
      self->lease_ = lease;
      self->acquire();
    });
  }

 private:
  void acquire() {
    key_ = fmt::format("{}{:x}", prefix_, static_cast<uint64_t>(lease_));
    if (lease_ < 0) key_ = fmt::format("{}-{:x}", prefix_, -static_cast<uint64_t>(lease_));  // Go's %x
    pb::TxnRequest txn;
    pb::Compare& unheld = *txn.add_compare();
    unheld.set_target(pb::Compare::CREATE);
    unheld.set_result(pb::Compare::EQUAL);
    unheld.set_key(key_);
    unheld.set_create_revision(0);
    pb::PutRequest& put = *txn.add_success()->mutable_request_put();
    put.set_key(key_);
    put.set_lease(lease_);
    *txn.add_success()->mutable_request_range() = first_created(prefix_);
    txn.add_failure()->mutable_request_range()->set_key(key_);
    *txn.add_failure()->mutable_request_range() = first_created(prefix_);
    client_->txn(txn, [self = shared_from_this()](absl::Status status, pb::TxnResponse& response) {
      if (!status.ok()) return self->fail(std::move(status));
      self->wait_for_turn(response);
    });
  }

  void wait_for_turn(pb::TxnResponse& response) {
    revision_ = response.succeeded()
                    ? response.header().revision()
                    : response.responses(0).response_range().kvs(0).create_revision();
    const auto& owner = response.responses(1).response_range().kvs();
    if (owner.empty() || owner[0].create_revision() == revision_) return answer(response.header());
    client_->wait_deletes(prefix_, revision_ - 1, [self = shared_from_this()](absl::Status status) {
      if (!status.ok()) return self->release_and_fail(std::move(status));
      self->check_key();
    });
  }

  // The lease may have ended meanwhile, and the key with it.
  void check_key() {
    pb::RangeRequest request;
    request.set_key(key_);
    client_->range(request,
                   [self = shared_from_this()](absl::Status status, pb::RangeResponse& response) {
                     if (!status.ok()) return self->release_and_fail(std::move(status));
                     if (response.kvs_size() == 0)
                       return self->fail(make_status(absl::StatusCode::kUnknown,
                                                     "mutex: session is expired"));
                     self->answer(response.header());
                   });
  }

  void answer(const pb::ResponseHeader& header) {
    v3lockpb::LockResponse response;
    *response.mutable_header() = header;
    response.set_key(key_);
    rpc_.replies.answer(*call_, response.SerializeAsString());
  }
  void fail(absl::Status status) { rpc_.replies.answer(*call_, from_inner(std::move(status))); }
  void release_and_fail(absl::Status status) {
    client_->erase(key_, [self = shared_from_this(), status = std::move(status)](
                             const absl::Status&, pb::DeleteRangeResponse&) { self->fail(status); });
  }
  // The client is gone: it must not be left in the queue. (Nobody can give back what was proposed and is not applied
  // yet but the lease's end; etcd's are left so too.)
  void give_up() {
    client_->cancel();
    if (revision_ != 0)
      client_->erase(key_, [self = shared_from_this()](const absl::Status&, pb::DeleteRangeResponse&) {});
  }

  const Rpc& rpc_;
  const net::UnaryCallRef call_;
  const std::shared_ptr<InnerClient> client_;  // shared with what it has under way
  const std::string prefix_;
  int64_t lease_;
  std::string key_;
  int64_t revision_ = 0;  // create revision of our key
};

void unlock(const net::GrpcServer& server, const Rpc& rpc, net::UnaryCallRef call,
            const v3lockpb::UnlockRequest& request) {
  auto client = std::make_shared<InnerClient>(server, *call);
  client->erase(request.key(), [&rpc, call = std::move(call)](absl::Status status,
                                                              pb::DeleteRangeResponse& deleted) {
    if (!status.ok()) return rpc.replies.answer(*call, from_inner(std::move(status)));
    v3lockpb::UnlockResponse response;
    *response.mutable_header() = deleted.header();
    rpc.replies.answer(*call, response.SerializeAsString());
  });
}

}  // namespace

void register_lock(net::GrpcServer& server, const Rpc& rpc) {
  register_unary<v3lockpb::LockRequest>(
      server, rpc, "/v3lockpb.Lock/Lock", OnLearner::refused,
      [&rpc, &server](net::UnaryCallRef call, auto request, const server::CallContext&) {
        std::make_shared<LockOperation>(server, rpc, std::move(call), *request)->run();
      });
  register_unary<v3lockpb::UnlockRequest>(
      server, rpc, "/v3lockpb.Lock/Unlock", OnLearner::refused,
      [&rpc, &server](net::UnaryCallRef call, auto request, const server::CallContext&) {
        unlock(server, rpc, std::move(call), *request);
      });
}

}  // namespace holdfast::rpc
