#include "rpc/election_observer.h"

#include <utility>

#include "rpc/inner_client.h"
#include "v3election.pb.h"

namespace holdfast::rpc {

namespace {

namespace pb = etcdserverpb;

// Shared by the session and the inner client's callbacks.
class Observation : public std::enable_shared_from_this<Observation> {
 public:
  Observation(const net::GrpcServer& server, net::StreamCallRef call)
      : call_(std::move(call)), client_(std::make_shared<InnerClient>(server, *call_)) {}

  void start(const std::string& name) {
    prefix_ = name + "/";
    look();
  }
  void stop() { client_->cancel(); }
  void on_drained() { client_->report_outbox(call_->outbox_bytes()); }

 private:
  // Who leads now; if nobody does, who will.
  void look() {
    client_->range(first_created(prefix_), [self = shared_from_this()](absl::Status status,
                                                                       pb::RangeResponse& found) {
      if (!status.ok()) return self->end();
      if (found.kvs_size() == 0) return self->wait_for_candidate(found.header().revision());
      self->follow(found.header(), found.kvs(0));
    });
  }

  void wait_for_candidate(int64_t revision) {
    pb::WatchCreateRequest request;
    request.set_key(prefix_);
    request.set_range_end(prefix_end(prefix_));
    request.set_start_revision(revision);
    auto first = std::make_shared<pb::WatchResponse>();  // shared by the two callbacks
    client_->watch(
        request,
        [first](const pb::WatchResponse& response) {
          if (response.canceled()) return InnerClient::Next::stop;
          for (const mvccpb::Event& event : response.events()) {
            if (event.type() != mvccpb::Event::PUT) continue;
            *first->mutable_header() = response.header();
            first->mutable_header()->set_revision(event.kv().mod_revision());
            *first->add_events() = event;
            return InnerClient::Next::stop;
          }
          return InnerClient::Next::go_on;
        },
        [self = shared_from_this(), first](const absl::Status&) {
          if (first->events_size() == 0) return self->end();
          self->follow(first->header(), first->events(0).kv());
        });
  }

  void follow(const pb::ResponseHeader& header, const mvccpb::KeyValue& kv) {
    send(header, kv);
    pb::WatchCreateRequest request;
    request.set_key(kv.key());
    request.set_start_revision(header.revision() + 1);
    auto deleted = std::make_shared<bool>(false);  // shared by the two callbacks
    client_->watch(
        request,
        [self = shared_from_this(), deleted](const pb::WatchResponse& response) {
          for (const mvccpb::Event& event : response.events()) {
            if (event.type() == mvccpb::Event::DELETE) {
              *deleted = true;
              return InnerClient::Next::stop;
            }
            self->send(response.header(), event.kv());
          }
          self->client_->report_outbox(self->call_->outbox_bytes());
          return response.canceled() ? InnerClient::Next::stop : InnerClient::Next::go_on;
        },
        [self = shared_from_this(), deleted](const absl::Status&) {
          if (!*deleted) return self->end();
          self->look();
        });
  }

  void send(const pb::ResponseHeader& header, const mvccpb::KeyValue& kv) {
    v3electionpb::LeaderResponse response;
    *response.mutable_header() = header;
    *response.mutable_kv() = kv;
    call_->write(response.SerializeAsString());
  }
  // As etcd's: whatever the reason.
  void end() { call_->finish(absl::OkStatus()); }

  const net::StreamCallRef call_;
  const std::shared_ptr<InnerClient> client_;  // shared with what it has under way
  std::string prefix_;
};

class ObserverSession : public net::StreamSession {
 public:
  ObserverSession(const net::GrpcServer& server, const Rpc& rpc, net::StreamCallRef call)
      : call_(call), observation_(std::make_shared<Observation>(server, call)) {
    if (CallGate::requires_leader(*call)) ticket_ = rpc.leader.watch(std::move(call));
  }
  ~ObserverSession() override { observation_->stop(); }

  void on_message(std::string_view message) override {
    v3electionpb::LeaderRequest request;
    if (const std::string_view why = parse_request(message, request); !why.empty())
      return call_->finish(malformed_stream_message(why));
    observation_->start(request.name());
  }
  void on_half_close() override {}
  void on_drained() override { observation_->on_drained(); }

 private:
  const net::StreamCallRef call_;
  const std::shared_ptr<Observation> observation_;  // see there
  LeaderMonitor::Ticket ticket_;
};

}  // namespace

std::unique_ptr<net::StreamSession> open_election_observer(const net::GrpcServer& server,
                                                           const Rpc& rpc, net::StreamCallRef call) {
  absl::Status status = rpc.gate.admit(*call, OnLearner::refused);
  if (status.ok()) status = rpc.gate.context(*call).status();
  if (status.ok()) return std::make_unique<ObserverSession>(server, rpc, std::move(call));
  call->finish(to_wire(status));
  return nullptr;
}

}  // namespace holdfast::rpc
