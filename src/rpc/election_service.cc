// v3electionpb.Election, made of transactions, reads and watches of this server (etcd v3election,
// client/v3/concurrency/election.go; parity ELC-01..06, CNC-04).
#include <memory>
#include <utility>

#include "base/errors.h"
#include "fmt/format.h"
#include "rpc/election_observer.h"
#include "rpc/inner_client.h"
#include "rpc/rpc.h"
#include "v3election.pb.h"

namespace holdfast::rpc {

namespace {

namespace pb = etcdserverpb;
namespace epb = v3electionpb;

// Holds if `key` is still the one that was created at `revision`.
void add_compare(pb::TxnRequest& txn, const std::string& key, int64_t revision) {
  pb::Compare& compare = *txn.add_compare();
  compare.set_target(pb::Compare::CREATE);
  compare.set_result(pb::Compare::EQUAL);
  compare.set_key(key);
  compare.set_create_revision(revision);
}

pb::TxnRequest proclamation(const std::string& key, int64_t revision, int64_t lease,
                            const std::string& value) {
  pb::TxnRequest txn;
  add_compare(txn, key, revision);
  pb::PutRequest& put = *txn.add_success()->mutable_request_put();
  put.set_key(key);
  put.set_value(value);
  put.set_lease(lease);
  return txn;
}

pb::TxnRequest resignation(const std::string& key, int64_t revision) {
  pb::TxnRequest txn;
  add_compare(txn, key, revision);
  txn.add_success()->mutable_request_delete_range()->set_key(key);
  return txn;
}

class CampaignOperation : public std::enable_shared_from_this<CampaignOperation> {
 public:
  CampaignOperation(const net::GrpcServer& server, const Rpc& rpc, net::UnaryCallRef call,
                    const epb::CampaignRequest& request)
      : rpc_(rpc),
        call_(std::move(call)),
        client_(std::make_shared<InnerClient>(server, *call_)),
        request_(request),
        prefix_(request.name() + "/") {}

  void run() {
    call_->on_cancel([weak = weak_from_this()] {
      if (auto self = weak.lock()) self->give_up();
    });
    client_->lease_or_grant(request_.lease(),
                            [self = shared_from_this()](absl::Status status, int64_t lease) {
                              if (!status.ok()) return self->fail(std::move(status));
                              self->request_.set_lease(lease);
                              self->stand();
                            });
  }

 private:
  void stand() {
    const int64_t lease = request_.lease();
    key_ = lease < 0 ? fmt::format("{}-{:x}", prefix_, -static_cast<uint64_t>(lease))  // Go's %x
                     : fmt::format("{}{:x}", prefix_, lease);
    pb::TxnRequest txn = proclamation(key_, 0, lease, request_.value());
    txn.add_failure()->mutable_request_range()->set_key(key_);
    client_->txn(txn, [self = shared_from_this()](absl::Status status, pb::TxnResponse& response) {
      if (!status.ok()) return self->fail(std::move(status));
      self->header_ = response.header();
      self->revision_ = response.header().revision();
      if (response.succeeded()) return self->wait_for_turn();
      const mvccpb::KeyValue& held = response.responses(0).response_range().kvs(0);
      self->revision_ = held.create_revision();
      if (held.value() == self->request_.value()) return self->wait_for_turn();
      self->proclaim();
    });
  }

  // It stood before, for something else.
  void proclaim() {
    client_->txn(proclamation(key_, revision_, request_.lease(), request_.value()),
                 [self = shared_from_this()](absl::Status status, pb::TxnResponse& response) {
                   if (status.ok() && !response.succeeded())
                     return self->fail(error(EtcdError::election_not_leader));
                   if (!status.ok()) return self->resign_and_fail(std::move(status));
                   self->wait_for_turn();
                 });
  }

  void wait_for_turn() {
    client_->wait_deletes(prefix_, revision_ - 1, [self = shared_from_this()](absl::Status status) {
      if (!status.ok()) return self->fail(std::move(status));
      epb::CampaignResponse response;
      *response.mutable_header() = self->header_;
      epb::LeaderKey& leader = *response.mutable_leader();
      leader.set_name(self->request_.name());
      leader.set_key(self->key_);
      leader.set_rev(self->revision_);
      leader.set_lease(self->request_.lease());
      self->rpc_.replies.answer(*self->call_, response.SerializeAsString());
    });
  }

  void fail(absl::Status status) { rpc_.replies.answer(*call_, from_inner(std::move(status))); }
  void resign_and_fail(absl::Status status) {
    client_->txn(resignation(key_, revision_),
                 [self = shared_from_this(), status = std::move(status)](
                     const absl::Status&, pb::TxnResponse&) { self->fail(status); });
  }
  // The client is gone: it doesn't stand any more.
  void give_up() {
    client_->cancel();
    if (revision_ != 0)
      client_->txn(resignation(key_, revision_),
                   [self = shared_from_this()](const absl::Status&, pb::TxnResponse&) {});
  }

  const Rpc& rpc_;
  const net::UnaryCallRef call_;
  const std::shared_ptr<InnerClient> client_;  // shared with what it has under way
  epb::CampaignRequest request_;
  const std::string prefix_;
  std::string key_;
  int64_t revision_ = 0;  // create revision of our key
  pb::ResponseHeader header_;
};

void proclaim(const net::GrpcServer& server, const Rpc& rpc, net::UnaryCallRef call,
              const epb::ProclaimRequest& request) {
  if (!request.has_leader()) return rpc.replies.answer(*call, error(EtcdError::missing_leader_field));
  auto client = std::make_shared<InnerClient>(server, *call);
  client->lease_or_grant(
      request.leader().lease(),
      [client = client.get(), &rpc, call = std::move(call), request](absl::Status status,
                                                                     int64_t lease) mutable {
        if (!status.ok()) return rpc.replies.answer(*call, from_inner(std::move(status)));
        const epb::LeaderKey& leader = request.leader();
        client->txn(proclamation(leader.key(), leader.rev(), lease, request.value()),
                    [&rpc, call = std::move(call)](absl::Status status, pb::TxnResponse& done) {
                      if (status.ok() && !done.succeeded())
                        status = error(EtcdError::election_not_leader);
                      if (!status.ok()) return rpc.replies.answer(*call, from_inner(std::move(status)));
                      epb::ProclaimResponse response;
                      *response.mutable_header() = done.header();
                      rpc.replies.answer(*call, response.SerializeAsString());
                    });
      });
}

void resign(const net::GrpcServer& server, const Rpc& rpc, net::UnaryCallRef call,
            const epb::ResignRequest& request) {
  if (!request.has_leader()) return rpc.replies.answer(*call, error(EtcdError::missing_leader_field));
  auto client = std::make_shared<InnerClient>(server, *call);
  client->txn(resignation(request.leader().key(), request.leader().rev()),
              [&rpc, call = std::move(call)](absl::Status status, pb::TxnResponse& done) {
                if (!status.ok()) return rpc.replies.answer(*call, from_inner(std::move(status)));
                epb::ResignResponse response;
                *response.mutable_header() = done.header();
                rpc.replies.answer(*call, response.SerializeAsString());
              });
}

void leader(const net::GrpcServer& server, const Rpc& rpc, net::UnaryCallRef call,
            const epb::LeaderRequest& request) {
  auto client = std::make_shared<InnerClient>(server, *call);
  client->range(first_created(request.name() + "/"),
                [&rpc, call = std::move(call)](absl::Status status, pb::RangeResponse& found) {
                  if (status.ok() && found.kvs_size() == 0)
                    status = error(EtcdError::election_no_leader);
                  if (!status.ok()) return rpc.replies.answer(*call, from_inner(std::move(status)));
                  epb::LeaderResponse response;
                  *response.mutable_header() = found.header();
                  *response.mutable_kv() = found.kvs(0);
                  rpc.replies.answer(*call, response.SerializeAsString());
                });
}

}  // namespace

void register_election(net::GrpcServer& server, const Rpc& rpc) {
  register_unary<epb::CampaignRequest>(
      server, rpc, "/v3electionpb.Election/Campaign", OnLearner::refused,
      [&rpc, &server](net::UnaryCallRef call, auto request, const server::CallContext&) {
        std::make_shared<CampaignOperation>(server, rpc, std::move(call), *request)->run();
      });
  register_unary<epb::ProclaimRequest>(
      server, rpc, "/v3electionpb.Election/Proclaim", OnLearner::refused,
      [&rpc, &server](net::UnaryCallRef call, auto request, const server::CallContext&) {
        proclaim(server, rpc, std::move(call), *request);
      });
  register_unary<epb::LeaderRequest>(
      server, rpc, "/v3electionpb.Election/Leader", OnLearner::refused,
      [&rpc, &server](net::UnaryCallRef call, auto request, const server::CallContext&) {
        leader(server, rpc, std::move(call), *request);
      });
  register_unary<epb::ResignRequest>(
      server, rpc, "/v3electionpb.Election/Resign", OnLearner::refused,
      [&rpc, &server](net::UnaryCallRef call, auto request, const server::CallContext&) {
        resign(server, rpc, std::move(call), *request);
      });
  server.register_stream(
      "/v3electionpb.Election/Observe", net::MethodKind::server_stream,
      [&rpc, &server](net::StreamCallRef call) -> std::unique_ptr<net::StreamSession> {
        return open_election_observer(server, rpc, std::move(call));
      });
}

}  // namespace holdfast::rpc
