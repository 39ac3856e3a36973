#include "rpc/discovery_client.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <utility>

#include "base/errors.h"
#include "fmt/format.h"
#include "rpc.pb.h"
#include "rpc/inner_client.h"

namespace holdfast::rpc {

namespace {

namespace pb = etcdserverpb;

// A server sends away who pings more often (grpc-go's internal.KeepaliveMinPingTime).
constexpr env::Duration kPingMin = std::chrono::seconds(10);

absl::Status bad_endpoint(const std::string& endpoint) {
  return make_status(absl::StatusCode::kInvalidArgument,
                     fmt::format("discovery endpoint \"{}\" is not host:port", endpoint));
}

server::DiscoveryStore::Pair pair_of(const mvccpb::KeyValue& kv) {
  return {kv.key(), kv.value(), kv.create_revision()};
}

}  // namespace

absl::StatusOr<net::GrpcClientOptions> discovery_endpoint(const std::string& endpoint,
                                                          const DiscoveryClientOptions& options) {
  net::GrpcClientOptions client;
  client.connect_timeout = options.dial_timeout;
  if (options.keepalive_time.count() > 0) {
    client.ping_after_idle = std::max(options.keepalive_time, kPingMin);
    client.ping_timeout = options.keepalive_timeout;
  }
  const size_t colon = endpoint.find(':');
  std::string scheme = endpoint.substr(0, colon == std::string::npos ? 0 : colon);
  std::string rest = endpoint;
  const bool is_unix = scheme == "unix" || scheme == "unixs";
  if (endpoint.find("://") == colon && colon != std::string::npos) {
    rest = endpoint.substr(colon + 3);
  } else if (is_unix) {
    rest = endpoint.substr(colon + 1);
  } else {
    scheme.clear();
  }
  if (scheme == "https" || scheme == "unixs")
    client.tls = options.tls.value_or(net::TlsClientOptions());
  else if (scheme != "http")
    client.tls = options.tls;
  std::string server_name;
  if (is_unix) {
    if (rest.empty()) return bad_endpoint(endpoint);
    client.unix_path = rest;
    client.authority = rest.substr(rest.rfind('/') + 1);
    server_name = client.authority.substr(0, client.authority.rfind(':'));
  } else {
    if (const size_t slash = rest.find('/'); slash != std::string::npos) rest.resize(slash);
    const size_t port = rest.rfind(':');
    if (port == std::string::npos || port == 0) return bad_endpoint(endpoint);
    const auto parsed = std::from_chars(rest.data() + port + 1, rest.data() + rest.size(), client.port);
    if (parsed.ec != std::errc() || parsed.ptr != rest.data() + rest.size()) return bad_endpoint(endpoint);
    client.authority = rest;
    client.address = rest.substr(0, port);
    if (client.address.starts_with('[') && client.address.ends_with(']'))
      client.address = client.address.substr(1, client.address.size() - 2);
    server_name = client.address;
  }
  if (client.tls && client.tls->server_name.empty()) client.tls->server_name = server_name;
  return client;
}

// On the I/O thread, but for what the constructor sets.
class DiscoveryClient::Core : public std::enable_shared_from_this<Core> {
 public:
  Core(net::IoThread& thread, DiscoveryClientOptions options) : thread_(thread), options_(std::move(options)) {}

  void open(Finished done) {
    for (const std::string& endpoint : options_.endpoints) {
      auto client = discovery_endpoint(endpoint, options_);
      if (!client.ok()) return done(client.status());
      if (client->tls)
        if (auto tls = net::TlsContext::for_client(*client->tls); !tls.ok()) return done(tls.status());
      clients_.push_back(std::make_unique<net::GrpcClient>(thread_, *std::move(client)));
    }
    log_in(std::move(done));
  }

  // One answer, after logging in if there is no token. `done` gets the message's bytes.
  using Answered = UniqueFunction<void(absl::Status, std::string)>;
  void ask(std::string path, std::string request, Answered done) {
    if (!options_.user.empty() && !options_.password.empty() && !logged_in_)
      return log_in([self = shared_from_this(), path = std::move(path), request = std::move(request),
                     done = std::move(done)](absl::Status status) mutable {
        if (!status.ok()) return done(std::move(status), "");
        self->send(std::move(path), std::move(request), self->options_.request_timeout, std::move(done));
      });
    send(std::move(path), std::move(request), options_.request_timeout, std::move(done));
  }

  void watch(std::string request, UniqueFunction<void(std::vector<Pair>)> on_pairs, Finished ended) {
    stop_watching();
    auto events = std::make_unique<Watching>();
    events->core = shared_from_this();
    events->number = ++watch_number_;
    events->on_pairs = std::move(on_pairs);
    events->ended = std::move(ended);
    watching_ = clients_[current_]->start("/etcdserverpb.Watch/Watch", call_options(std::nullopt), std::move(events));
    watching_->write(std::move(request));
  }
  void stop_watching() {
    ++watch_number_;
    if (watching_) watching_->cancel();
    watching_ = nullptr;
  }

  void close() {
    stop_watching();
    clients_.clear();
  }

  net::IoThread& thread() { return thread_; }
  env::Executor* executor = nullptr;

 private:
  struct Watching final : net::ClientCallEvents {
    void on_message(std::string_view message) override {
      if (number != core->watch_number_) return;
      pb::WatchResponse response;
      if (!response.ParseFromArray(message.data(), static_cast<int>(message.size())) || response.canceled()) {
        const std::string why = response.compact_revision() > 0
                                    ? std::string(text(EtcdError::compacted))
                                    : response.cancel_reason();
        core->stop_watching();
        return ended(make_status(absl::StatusCode::kUnavailable, why));
      }
      std::vector<Pair> pairs;
      for (const mvccpb::Event& event : response.events()) pairs.push_back(pair_of(event.kv()));
      if (!pairs.empty()) on_pairs(std::move(pairs));
    }
    void on_finished(const absl::Status& status) override {
      if (number != core->watch_number_) return;
      core->stop_watching();
      core->next_endpoint();
      ended(status.ok() ? make_status(absl::StatusCode::kUnavailable, "the stream ended") : status);
    }
    std::shared_ptr<Core> core;  // shared with what is posted to the thread
    uint64_t number = 0;
    UniqueFunction<void(std::vector<Pair>)> on_pairs;
    Finished ended;
  };

  net::CallOptions call_options(std::optional<env::Duration> timeout) const {
    net::CallOptions options;
    options.timeout = timeout;
    if (!token_.empty()) options.metadata.emplace_back("token", token_);
    return options;
  }

  void next_endpoint() { current_ = (current_ + 1) % clients_.size(); }

  void log_in(Finished done) {
    if (options_.user.empty() || options_.password.empty()) return done(absl::OkStatus());
    token_.clear();
    pb::AuthenticateRequest request;
    request.set_name(options_.user);
    request.set_password(options_.password);
    send("/etcdserverpb.Auth/Authenticate", request.SerializeAsString(), options_.dial_timeout,
         [self = shared_from_this(), done = std::move(done)](absl::Status status, std::string bytes) mutable {
           pb::AuthenticateResponse response;
           if (status.ok() && response.ParseFromString(bytes)) self->token_ = response.token();
           if (is(status, EtcdError::auth_not_enabled)) status = absl::OkStatus();
           self->logged_in_ = status.ok();
           done(std::move(status));
         });
  }

  void send(std::string path, std::string request, env::Duration timeout, Answered done, size_t attempt = 0) {
    if (clients_.empty()) return;
    net::GrpcClient& client = *clients_[current_];
    const net::CallOptions options = call_options(timeout);
    client.unary(path, request, options,
                 [self = shared_from_this(), path, request, timeout, attempt, done = std::move(done)](
                     const absl::Status& status, std::string_view answer) mutable {
                   if (status.code() == absl::StatusCode::kUnauthenticated) self->logged_in_ = false;
                   const bool elsewhere = status.code() == absl::StatusCode::kUnavailable ||
                                          status.code() == absl::StatusCode::kDeadlineExceeded;
                   if (elsewhere) self->next_endpoint();
                   if (!elsewhere || attempt + 1 >= self->clients_.size())
                     return done(status, std::string(answer));
                   // Not inside the client that has just failed.
                   self->thread_.post([self, path = std::move(path), request = std::move(request), timeout, attempt,
                                       done = std::move(done)]() mutable {
                     self->send(std::move(path), std::move(request), timeout, std::move(done), attempt + 1);
                   });
                 });
  }

  net::IoThread& thread_;
  const DiscoveryClientOptions options_;
  std::vector<std::unique_ptr<net::GrpcClient>> clients_;  // one an endpoint
  size_t current_ = 0;
  std::string token_;
  bool logged_in_ = false;
  std::shared_ptr<net::ClientCall> watching_;  // shared with the client
  uint64_t watch_number_ = 0;                  // events of others find nobody
};

DiscoveryClient::DiscoveryClient(net::IoThread& thread, DiscoveryClientOptions options)
    : core_(std::make_shared<Core>(thread, std::move(options))) {}

DiscoveryClient::~DiscoveryClient() {
  core_->thread().post([core = core_] { core->close(); });
}

void DiscoveryClient::open(env::Executor& executor, Finished done) {
  core_->executor = &executor;
  core_->thread().post([core = core_, done = std::move(done)]() mutable {
    core->open([core, done = std::move(done)](absl::Status status) mutable {
      core->executor->post([status = std::move(status), done = std::move(done)]() mutable { done(std::move(status)); });
    });
  });
}

namespace {

absl::StatusOr<server::DiscoveryStore::Answer> read_range(const absl::Status& status, const std::string& bytes) {
  if (!status.ok()) return status;
  pb::RangeResponse response;
  if (!response.ParseFromString(bytes)) return absl::InternalError("the answer can't be read");
  server::DiscoveryStore::Answer answer;
  answer.revision = response.header().revision();
  for (const mvccpb::KeyValue& kv : response.kvs()) answer.pairs.push_back(pair_of(kv));
  return answer;
}

}  // namespace

void DiscoveryClient::range(std::string request, Done<Answer> done) {
  core_->thread().post([core = core_, request = std::move(request), done = std::move(done)]() mutable {
    core->ask("/etcdserverpb.KV/Range", std::move(request),
              [core, done = std::move(done)](const absl::Status& status, const std::string& answer) mutable {
                core->executor->post([result = read_range(status, answer), done = std::move(done)]() mutable {
                  done(std::move(result));
                });
              });
  });
}

void DiscoveryClient::get(const std::string& key, Done<Answer> done) {
  pb::RangeRequest request;
  request.set_key(key);
  range(request.SerializeAsString(), std::move(done));
}

void DiscoveryClient::get_prefix(const std::string& prefix, Done<Answer> done) {
  pb::RangeRequest request;
  request.set_key(prefix);
  request.set_range_end(prefix_end(prefix));
  range(request.SerializeAsString(), std::move(done));
}

void DiscoveryClient::put(const std::string& key, const std::string& value, Finished done) {
  pb::PutRequest request;
  request.set_key(key);
  request.set_value(value);
  core_->thread().post([core = core_, bytes = request.SerializeAsString(), done = std::move(done)]() mutable {
    core->ask("/etcdserverpb.KV/Put", std::move(bytes),
              [core, done = std::move(done)](absl::Status status, const std::string&) mutable {
                core->executor->post(
                    [status = std::move(status), done = std::move(done)]() mutable { done(std::move(status)); });
              });
  });
}

void DiscoveryClient::watch(const std::string& prefix, int64_t revision,
                            UniqueFunction<void(std::vector<Pair>)> on_pairs, Finished ended) {
  pb::WatchRequest request;
  pb::WatchCreateRequest& create = *request.mutable_create_request();
  create.set_key(prefix);
  create.set_range_end(prefix_end(prefix));
  create.set_start_revision(revision);
  // What of this watch is still on its way when it is stopped finds it gone. Shared with the tasks that bring it.
  struct Listener {
    UniqueFunction<void(std::vector<Pair>)> on_pairs;
    Finished ended;
  };
  listening_ = std::make_shared<bool>(true);
  auto listener = std::make_shared<Listener>(Listener{std::move(on_pairs), std::move(ended)});
  core_->thread().post([core = core_, bytes = request.SerializeAsString(), live = listening_, listener]() mutable {
    core->watch(
        std::move(bytes),
        [core, live, listener](std::vector<Pair> found) {
          core->executor->post([live, listener, found = std::move(found)]() mutable {
            if (*live) listener->on_pairs(std::move(found));
          });
        },
        [core, live, listener](absl::Status why) {
          core->executor->post([live, listener, why = std::move(why)]() mutable {
            if (std::exchange(*live, false)) listener->ended(std::move(why));
          });
        });
  });
}

void DiscoveryClient::stop_watching() {
  if (listening_) *listening_ = false;
  core_->thread().post([core = core_] { core->stop_watching(); });
}

}  // namespace holdfast::rpc
