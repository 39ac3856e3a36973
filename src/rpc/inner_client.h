// A client of this server's own services, for the services that are made of others (etcd v3client; parity ELC-06): the
// rules of auth, transactions and watches are the ordinary ones. One operation at a time, on the I/O thread of the call
// that it works for, with that call's credentials.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "base/task.h"
#include "net/local_call.h"
#include "rpc.pb.h"

namespace holdfast::rpc {

class InnerClient : private net::LocalClient, public std::enable_shared_from_this<InnerClient> {
 public:
  InnerClient(const net::GrpcServer& server, const net::Call& on_behalf_of);

  // `done` gets the answer, or why there is none. It keeps the client alive until then, and is dropped by cancel().
  template <class Response>
  using Done = UniqueFunction<void(absl::Status, Response&)>;
  template <class Response>
  void ask(std::string_view path, const google::protobuf::MessageLite& request,
           Done<Response> done) {
    start(path, request.SerializeAsString(),
          [this, done = std::move(done)](absl::Status status) mutable {
            Response response;
            if (status.ok() && !parse_answer(response)) status = absl::InternalError("answer");
            done(std::move(status), response);
          });
  }
  void range(const etcdserverpb::RangeRequest& request, Done<etcdserverpb::RangeResponse> done) {
    ask<etcdserverpb::RangeResponse>("/etcdserverpb.KV/Range", request, std::move(done));
  }
  void txn(const etcdserverpb::TxnRequest& request, Done<etcdserverpb::TxnResponse> done) {
    ask<etcdserverpb::TxnResponse>("/etcdserverpb.KV/Txn", request, std::move(done));
  }
  void erase(const std::string& key, Done<etcdserverpb::DeleteRangeResponse> done);
  // TTL 60 if `lease` is 0 (LCK-01), else `lease` itself.
  void lease_or_grant(int64_t lease, UniqueFunction<void(absl::Status, int64_t)> done);

  // Watches until `on_response` says stop; `done` gets why it ended, OK if it was stopped.
  enum class Next : uint8_t { go_on, stop };
  using OnResponse = UniqueFunction<Next(const etcdserverpb::WatchResponse&)>;
  void watch(const etcdserverpb::WatchCreateRequest& request, OnResponse on_response,
             UniqueFunction<void(absl::Status)> done);
  // What waits to be sent on, so that a watch doesn't run ahead of it.
  void report_outbox(size_t bytes) {
    if (call_) call_->report_outbox(bytes);
  }

  // Waits until no key with `prefix` is older than create revision `max_create_revision` (etcd waitDeletes; CNC-03).
  void wait_deletes(std::string prefix, int64_t max_create_revision,
                    UniqueFunction<void(absl::Status)> done);

  // Ends what is under way without a word; the client can then be used for something else.
  void cancel();

 private:
  void on_message(std::string_view head, std::string_view tail) override;
  void on_end(const absl::Status& status) override;
  void start(std::string_view path, std::string message, UniqueFunction<void(absl::Status)> done);
  bool parse_answer(google::protobuf::MessageLite& response) const;
  void wait_delete(const std::string& key, int64_t revision,
                   UniqueFunction<void(absl::Status)> done);

  const net::GrpcServer& server_;
  net::IoThread& thread_;
  net::HeaderFields credentials_;
  std::shared_ptr<const net::PeerInfo> peer_;  // shared with the inner calls
  std::shared_ptr<net::LocalCall> call_;       // shared with its own tasks
  std::string answer_;
  OnResponse on_response_;  // of a watch
  UniqueFunction<void(absl::Status)> done_;
  std::shared_ptr<InnerClient> self_;  // while something is under way
};

// The first key of all with `prefix` by create revision (clientv3.WithFirstCreate).
etcdserverpb::RangeRequest first_created(const std::string& prefix);
// The end of the range of all keys with `prefix`.
std::string prefix_end(std::string prefix);
// How an inner call's error leaves by an outer one: etcd's client gives errors that it knows by their text a type that
// its server has no code for.
absl::Status from_inner(absl::Status status);

}  // namespace holdfast::rpc
