#include "rpc/inner_client.h"

#include <utility>

#include "base/errors.h"
#include "rpc/replies.h"

namespace holdfast::rpc {

namespace {

namespace pb = etcdserverpb;

constexpr int64_t kSessionTtlSeconds = 60;

}  // namespace

InnerClient::InnerClient(const net::GrpcServer& server, const net::Call& on_behalf_of)
    : server_(server), thread_(on_behalf_of.executor()) {
  for (const char* name : {"token", "authorization", "grpcgateway-accept"})
    if (const auto value = on_behalf_of.metadata(name)) credentials_.add(name, *value);
  peer_ = std::make_shared<net::PeerInfo>(on_behalf_of.peer());
}

void InnerClient::start(std::string_view path, std::string message,
                        UniqueFunction<void(absl::Status)> done) {
  self_ = shared_from_this();
  done_ = std::move(done);
  answer_.clear();
  net::LocalCall::Request request;
  request.path = path;
  request.metadata = credentials_;
  request.peer = peer_;
  call_ = net::LocalCall::start(server_, thread_, std::move(request), *this,
                                net::LocalCall::Counted::no);
  call_->send(std::move(message));
}

bool InnerClient::parse_answer(google::protobuf::MessageLite& response) const {
  return parse(answer_, response);
}

void InnerClient::on_message(std::string_view head, std::string_view tail) {
  answer_.assign(head);
  answer_.append(tail);
  if (!on_response_) return;
  pb::WatchResponse response;
  if (!parse_answer(response)) return;
  // Taken out, since it may begin something else.
  OnResponse on_response = std::exchange(on_response_, {});
  const auto call = call_;
  if (on_response(response) == Next::go_on) {
    on_response_ = std::move(on_response);
    return;
  }
  call->cancel();
  call_.reset();
  on_end(absl::OkStatus());
}

void InnerClient::on_end(const absl::Status& status) {
  const auto self = std::exchange(self_, {});
  call_.reset();
  on_response_ = {};
  if (auto done = std::exchange(done_, {})) done(status);
}

void InnerClient::cancel() {
  const auto self = std::exchange(self_, {});
  if (auto call = std::exchange(call_, {})) call->cancel();
  on_response_ = {};
  done_ = {};
}

void InnerClient::erase(const std::string& key, Done<pb::DeleteRangeResponse> done) {
  pb::DeleteRangeRequest request;
  request.set_key(key);
  ask<pb::DeleteRangeResponse>("/etcdserverpb.KV/DeleteRange", request, std::move(done));
}

void InnerClient::lease_or_grant(int64_t lease, UniqueFunction<void(absl::Status, int64_t)> done) {
  if (lease != 0) return done(absl::OkStatus(), lease);
  pb::LeaseGrantRequest request;
  request.set_ttl(kSessionTtlSeconds);
  ask<pb::LeaseGrantResponse>("/etcdserverpb.Lease/LeaseGrant", request,
                              [done = std::move(done)](absl::Status status,
                                                       pb::LeaseGrantResponse& response) mutable {
                                done(std::move(status), response.id());
                              });
}

void InnerClient::watch(const pb::WatchCreateRequest& create, OnResponse on_response,
                        UniqueFunction<void(absl::Status)> done) {
  pb::WatchRequest request;
  *request.mutable_create_request() = create;
  start("/etcdserverpb.Watch/Watch", request.SerializeAsString(), std::move(done));
  on_response_ = std::move(on_response);
}

void InnerClient::wait_delete(const std::string& key, int64_t revision,
                              UniqueFunction<void(absl::Status)> done) {
  pb::WatchCreateRequest request;
  request.set_key(key);
  request.set_start_revision(revision);
  // Why the watch came to no end of its own, if it didn't.
  auto why = std::make_shared<absl::Status>();  // shared by the two callbacks
  watch(
      request,
      [why](const pb::WatchResponse& response) {
        for (const mvccpb::Event& event : response.events())
          if (event.type() == mvccpb::Event::DELETE) return Next::stop;
        if (response.compact_revision() != 0) {
          *why = error(EtcdError::compacted);
        } else if (response.canceled()) {
          *why = make_status(absl::StatusCode::kUnknown,
                             response.cancel_reason().empty()
                                 ? "etcdserver: mvcc: required revision is a future revision"
                                 : response.cancel_reason());
        }
        return why->ok() ? Next::go_on : Next::stop;
      },
      [why, done = std::move(done)](absl::Status status) mutable {
        done(why->ok() ? std::move(status) : *why);
      });
}

void InnerClient::wait_deletes(std::string prefix, int64_t max_create_revision,
                               UniqueFunction<void(absl::Status)> done) {
  pb::RangeRequest request;
  request.set_key(prefix);
  request.set_range_end(prefix_end(prefix));
  request.set_sort_target(pb::RangeRequest::CREATE);
  request.set_sort_order(pb::RangeRequest::DESCEND);
  request.set_limit(1);
  request.set_max_create_revision(max_create_revision);
  range(request, [this, prefix = std::move(prefix), max_create_revision, done = std::move(done)](
                     absl::Status status, pb::RangeResponse& response) mutable {
    if (!status.ok() || response.kvs_size() == 0) return done(std::move(status));
    wait_delete(response.kvs(0).key(), response.header().revision(),
                [this, prefix = std::move(prefix), max_create_revision,
                 done = std::move(done)](absl::Status status) mutable {
                  if (!status.ok()) return done(std::move(status));
                  wait_deletes(std::move(prefix), max_create_revision, std::move(done));
                });
  });
}

pb::RangeRequest first_created(const std::string& prefix) {
  pb::RangeRequest request;
  request.set_key(prefix);
  request.set_range_end(prefix_end(prefix));
  request.set_sort_target(pb::RangeRequest::CREATE);
  request.set_sort_order(pb::RangeRequest::ASCEND);
  request.set_limit(1);
  return request;
}

std::string prefix_end(std::string prefix) {
  while (!prefix.empty() && prefix.back() == '\xff') prefix.pop_back();
  if (prefix.empty()) return std::string(1, '\0');
  prefix.back() = static_cast<char>(static_cast<unsigned char>(prefix.back()) + 1);
  return prefix;
}

absl::Status from_inner(absl::Status status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kDeadlineExceeded:
      return status;
    default:
      // Those that etcd's client does not know by their text go through as they are (ERR-71).
      for (const EtcdError raw : {EtcdError::permission_not_given,
                                  EtcdError::invalid_client_api_version,
                                  EtcdError::timeout_wait_applied_index})
        if (is(status, raw)) return status;
      return make_status(absl::StatusCode::kUnknown, message(status));
  }
}

}  // namespace holdfast::rpc
