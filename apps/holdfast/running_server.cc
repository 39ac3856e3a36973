#include "apps/holdfast/running_server.h"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "apps/holdfast/client_ports.h"
#include "apps/holdfast/limits.h"
#include "apps/holdfast/initial_cluster.h"
#include "apps/holdfast/local_address.h"
#include "apps/holdfast/member_settings.h"
#include "apps/holdfast/peer_side.h"
#include "apps/holdfast/settings_report.h"
#include "apps/holdfast/tls_settings.h"
#include "apps/holdfast/version.h"
#include "backend/lmdb_engine.h"
#include "base/errors.h"
#include "membership/initial_cluster.h"
#include "net/io_thread.h"
#include "net/listener.h"
#include "os/process_metrics.h"
#include "os/system_name_resolver.h"
#include "os/systemd_notify.h"
#include "rpc/gateway.h"
#include "rpc/grpc_services.h"
#include "rpc/http_endpoints.h"
#include "rpc/watch_service.h"
#include "server/member.h"

namespace holdfast::app {

namespace {

// One I/O thread for each two cores: the owners need the others.
size_t io_threads() {
  const unsigned cores = std::thread::hardware_concurrency();
  return std::clamp<size_t>(cores / 2, 1, 8);
}

// Waits for a callback on another thread.
class Latch {
 public:
  Task opener() {
    return [this] {
      std::lock_guard lock(mutex_);
      open_ = true;
      opened_.notify_all();
    };
  }
  bool wait_for(std::chrono::milliseconds time) {
    std::unique_lock lock(mutex_);
    return opened_.wait_for(lock, time, [this] { return open_; });
  }
  void wait() {
    std::unique_lock lock(mutex_);
    opened_.wait(lock, [this] { return open_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable opened_;
  bool open_ = false;
};

}  // namespace

// Destroyed from the bottom up: ports, then the member, then the threads it ran on... see stop().
struct RunningServer::Wiring {
  explicit Wiring(const env::Clock& clock)
      : raft("raft", clock),
        apply("apply", clock),
        backend("backend", clock),
        background("background", clock),
        io(clock, io_threads()) {
    for (size_t i = 0; i < io_threads(); ++i)
      readers.push_back(std::make_unique<os::ThreadExecutor>("reader-" + std::to_string(i), clock));
  }

  os::PrometheusMetrics metrics;
  os::SystemRandom random;
  os::PosixFileSystem files;
  env::NoFaults faults;

  // The raft owner and the log writer share a thread: on a member's few cores a hand-over costs more than what the two
  // could do at the same time (docs/decisions/0005-raft-and-log-share-a-thread.md).
  os::ThreadExecutor raft;
  os::ThreadExecutor apply;
  os::ThreadExecutor backend;
  os::ThreadExecutor background;
  std::vector<std::unique_ptr<os::ThreadExecutor>> readers;  // as many as I/O threads
  net::IoPool io;

  server::MemberConfig settings;
  os::SystemNameResolver names;
  PeerDialling dialling;      // tls_name by DNS
  bool has_log = false;       // the member has lived before
  std::unique_ptr<DiscoveryMeeting> meeting;
  std::unique_ptr<PeerSide> peers;
  std::unique_ptr<server::ClusterFinder> finder;
  std::optional<server::ClusterOrigin> origin;
  std::atomic<bool> removed{false};
  config::TlsFiles client_tls;  // of the flags, or made
  std::vector<Port> client_ports;

  std::unique_ptr<server::Member> member;
  std::unique_ptr<rpc::GrpcServices> services;
  std::unique_ptr<rpc::WatchService> watch;
  std::unique_ptr<net::GrpcServer> grpc;
  std::unique_ptr<rpc::Gateway> gateway;
  std::unique_ptr<rpc::HttpEndpoints> http;
  std::unique_ptr<rpc::HttpEndpoints> metrics_http;
  std::vector<std::unique_ptr<net::Listener>> listeners;
  std::vector<std::unique_ptr<net::Listener>> metrics_listeners;
};

RunningServer::RunningServer(const config::Config& config, const env::Clock& clock, Logger& log,
                             os::ProcessExit& process, Task request_stop)
    : config_(config),
      clock_(clock),
      log_(log),
      process_(process),
      request_stop_(std::move(request_stop)),
      wiring_(std::make_unique<Wiring>(clock)) {}

RunningServer::~RunningServer() = default;

absl::Status RunningServer::start(const std::function<bool()>& interrupted) {
  os::add_process_metrics(wiring_->metrics);
  if (absl::Status s = check_descriptor_limit(); !s.ok()) return s;
  report_quota(log_, config_.quota_backend_bytes);
  wiring_->background.post([this] { watch_descriptors(wiring_->background, log_); });
  if (absl::Status s = find_names(interrupted); !s.ok()) return s;
  if (absl::Status s = open_peer_side(); !s.ok()) return s;
  if (absl::Status s = bind_client_ports(); !s.ok()) return s;
  report_settings();
  if (absl::Status s = find_cluster(interrupted); !s.ok()) return s;
  if (absl::Status s = open_member(); !s.ok()) return s;
  wiring_->io.start();
  if (absl::Status s = open_metrics_ports(); !s.ok()) return s;
  open_services();
  export_facts();
  if (absl::Status s = check_for_corruption(); !s.ok()) return s;
  const auto removed = [this] { on_removed(); };
  if (absl::Status s = wiring_->peers->serve(*wiring_->member, removed); !s.ok()) return s;
  wiring_->member->start({.ready = [this] { on_ready(); }, .removed = removed});
  return absl::OkStatus();
}

// How long a start that waits for others goes on before it asks whether to give up.
constexpr auto kAskInterval = std::chrono::milliseconds(100);

absl::Status RunningServer::find_names(const std::function<bool()>& interrupted) {
  Wiring& w = *wiring_;
  auto settings = member_settings(config_);
  if (!settings.ok()) return settings.status();
  w.settings = *std::move(settings);
  w.has_log = server::Member::has_log(w.files, w.settings);
  if (w.has_log && !config_.discovery.endpoints.empty())
    log_.warn("discovery token is ignored since cluster already initialized; valid logs are found",
              {{"wal-dir", w.settings.wal_path()}});
  if (w.has_log || config_.discovery.srv_domain.empty()) return absl::OkStatus();
  absl::Status status;
  Latch found;
  w.background.post([&, done = found.opener()]() mutable {
    status = find_initial_cluster_by_dns(config_, w.names, log_, w.settings, w.dialling.tls_name);
    done();
  });
  while (!found.wait_for(kAskInterval))
    // The thread is left waiting for DNS: the process ends.
    if (interrupted()) return absl::CancelledError("interrupted while waiting for DNS");
  return status;
}

absl::Status RunningServer::open_peer_side() {
  Wiring& w = *wiring_;
  auto tls = self_signed_files(w.files, log_, config_.peer_tls, net::SelfSignedUse::peers,
                               config_.data_dir + "/fixtures/peer", config_.listen_peer_urls,
                               clock_.unix_nanoseconds() / 1'000'000'000,
                               config_.self_signed_cert_validity_years);
  if (!tls.ok()) return tls.status();
  w.dialling.local_address = config::find_local_address(config_, log_);
  w.peers = std::make_unique<PeerSide>(config_, w.settings, *std::move(tls), w.dialling,
                                       PeerSide::World{clock_, w.files, w.metrics, log_});
  log_.info("configuring peer listeners", {{"listen-peer-urls", config::url_texts(config_.listen_peer_urls)}});
  absl::Status bound = w.peers->bind();
  if (!bound.ok()) log_.error("creating peer listener failed", {{"error", message(bound)}});
  return bound;
}

void RunningServer::report_settings() {
  const Wiring& w = *wiring_;
  config::StartFacts facts{.member_initialized = w.has_log,
                           .local_address = w.dialling.local_address,
                           .member_dir = w.settings.member_dir(),
                           .quota_backend_bytes = apply::Quota(config_.quota_backend_bytes).limit_bytes(),
                           .cores = std::thread::hardware_concurrency()};
  if (!w.has_log) {
    facts.initial_cluster = membership::to_string(w.settings.initial_cluster);
    facts.initial_cluster_token = w.settings.initial_cluster_token;
  }
  if (log_.enabled(LogLevel::info))
    log_.write(LogLevel::info, "starting an etcd server", config::settings_report(config_, facts), __FILE__, __LINE__);
}

absl::Status RunningServer::find_cluster(const std::function<bool()>& interrupted) {
  Wiring& w = *wiring_;
  if (w.has_log) return absl::OkStatus();
  if (!config_.discovery.endpoints.empty())
    w.meeting = std::make_unique<DiscoveryMeeting>(config_.discovery, clock_, log_);
  w.finder = std::make_unique<server::ClusterFinder>(
      server::ClusterFinder::Parts{w.background, &w.peers->remote(), w.names,
                                   w.meeting ? &w.meeting->discovery() : nullptr, log_},
      w.settings);
  absl::Status status;
  Latch found;
  w.finder->find([&, done = found.opener()](absl::StatusOr<server::ClusterOrigin> origin) mutable {
    status = origin.status();
    if (origin.ok()) w.origin = *std::move(origin);
    done();
  });
  while (!found.wait_for(kAskInterval)) {
    if (!interrupted()) continue;
    w.background.stop();  // the answer finds nobody
    return absl::CancelledError("interrupted while waiting for other members");
  }
  w.background.post([&w] { w.meeting.reset(); });  // not inside its own answer
  return status;
}

absl::Status RunningServer::open_member() {
  Wiring& w = *wiring_;
  absl::Status status;
  Latch opened;
  std::vector<env::Executor*> readers;
  for (const auto& reader : w.readers) readers.push_back(reader.get());
  w.apply.post([&, done = opened.opener()]() mutable {
    auto member = server::Member::open(
        w.settings, {clock_, w.random, w.files, process_, w.faults, w.metrics, log_},
        {w.raft, w.raft, w.apply, w.backend, w.background, readers},
        [&](const std::string& path) {
          return backend::open_lmdb_engine(
              {.path = path,
               .sync = w.settings.unsafe_no_fsync ? backend::Sync::no : backend::Sync::yes},
              w.files, process_, log_);
        },
        {w.peers->peers(), &w.peers->remote(), &w.peers->leader_lessor()}, std::move(w.origin));
    status = member.status();
    if (member.ok()) w.member = *std::move(member);
    done();
  });
  opened.wait();
  return status;
}

absl::Status RunningServer::check_for_corruption() {
  absl::Status status;
  Latch checked;
  wiring_->member->check_for_corruption([&, done = checked.opener()](absl::Status s) mutable {
    status = std::move(s);
    done();
  });
  checked.wait();
  return status;
}

// --auto-tls may make certificates here.
absl::Status RunningServer::find_certificates() {
  std::vector<config::Url> urls = config_.listen_client_urls;
  urls.insert(urls.end(), config_.listen_client_http_urls.begin(), config_.listen_client_http_urls.end());
  auto files = self_signed_files(wiring_->files, log_, config_.client_tls, net::SelfSignedUse::server,
                                 config_.data_dir + "/fixtures/client", urls, clock_.unix_nanoseconds() / 1'000'000'000, config_.self_signed_cert_validity_years);
  if (!files.ok()) return files.status();
  wiring_->client_tls = *std::move(files);
  return absl::OkStatus();
}

// A port in use is known before there is a data directory; served when ready.
absl::Status RunningServer::bind_client_ports() {
  Wiring& w = *wiring_;
  log_.info("configuring client listeners", {{"listen-client-urls", config::url_texts(config_.listen_client_urls)}});
  if (absl::Status s = find_certificates(); !s.ok()) return s;
  auto ports = client_ports(config_, w.client_tls, log_);
  if (!ports.ok()) return ports.status();
  w.client_ports = *std::move(ports);
  for (const Port& port : w.client_ports) {
    if (absl::Status s = remove_socket_file(w.files, port.options); !s.ok()) return s;
    w.listeners.push_back(std::make_unique<net::Listener>(w.io, port.options, log_, nullptr, nullptr));
    if (absl::Status s = w.listeners.back()->bind(); !s.ok()) return s;
  }
  return absl::OkStatus();
}

absl::Status RunningServer::open_metrics_ports() {
  Wiring& w = *wiring_;
  w.metrics_http = std::make_unique<rpc::HttpEndpoints>(
      rpc::HttpEndpoints::Parts{
          w.member->v3(), w.metrics, log_, [&w] { return w.metrics.render(); }, {}, nullptr},
      rpc::HttpEndpoints::Options{.port = rpc::HttpEndpoints::Port::metrics});
  auto ports = metrics_ports(config_, w.client_tls);
  if (!ports.ok()) return ports.status();
  for (Port& port : *ports) {
    w.metrics_listeners.push_back(std::make_unique<net::Listener>(w.io, std::move(port.options), log_, nullptr,
                                                                  w.metrics_http.get()));
    if (absl::Status s = w.metrics_listeners.back()->start(); !s.ok()) return s;
    log_.info("serving metrics", {{"address", port.address}});
  }
  return absl::OkStatus();
}

void RunningServer::open_services() {
  Wiring& w = *wiring_;
  rpc::GrpcServices::Options options;
  options.election_timeout = std::chrono::milliseconds(config_.election_timeout_ms);
  options.warning_unary_request_duration = config_.warning_unary_request_duration;
  options.histograms = config_.resolved.metrics == config::MetricsDetail::extensive
                           ? rpc::Histograms::on
                           : rpc::Histograms::off;
  options.during_defragment =
      config_.feature_gates.enabled(config::Feature::stop_grpc_service_on_defrag)
          ? rpc::HealthDuringDefragment::not_serving
          : rpc::HealthDuringDefragment::serving;
  w.services = std::make_unique<rpc::GrpcServices>(
      rpc::GrpcServices::Parts{w.member->v3(), w.member->cluster_services(), w.member->leases(),
                               w.background, w.metrics, log_},
      std::move(options));
  w.grpc = std::make_unique<net::GrpcServer>(grpc_settings(config_), &w.services->observer());
  w.watch = std::make_unique<rpc::WatchService>(
      w.services->rpc(), w.member->watch_feed(), w.metrics, log_,
      rpc::WatchService::Options{config_.max_request_bytes,
                                 config_.watch_progress_notify_interval, w.random.next()});
  w.watch->register_on(*w.grpc);
  w.services->register_all(*w.grpc);
  rpc::HttpEndpoints::Options http;
  http.host_whitelist = {config_.host_whitelist.begin(), config_.host_whitelist.end()};
  http.cors_origins = {config_.cors.begin(), config_.cors.end()};
  if (config_.enable_grpc_gateway)
    w.gateway = std::make_unique<rpc::Gateway>(
        *w.grpc, log_, rpc::Gateway::Options{.max_json_bytes = json_bytes_max(config_)});
  w.http = std::make_unique<rpc::HttpEndpoints>(
      rpc::HttpEndpoints::Parts{
          w.member->v3(), w.metrics, log_, [&w] { return w.metrics.render(); }, {},
          w.gateway.get()},
      std::move(http));

  for (size_t i = 0; i < w.client_ports.size(); ++i)
    w.listeners[i]->answer_with(w.client_ports[i].grpc ? w.grpc.get() : nullptr,
                                w.client_ports[i].http ? w.http.get() : nullptr);
}

// MEM-15. The others need some time to learn of it from here.
void RunningServer::on_removed() {
  Wiring& w = *wiring_;
  if (w.removed.exchange(true)) return;
  constexpr auto kDelay = std::chrono::seconds(1);
  w.background.post_after(kDelay, [this] {
    log_.warn("server error",
              {{"error", "the member has been permanently removed from the cluster"}});
    log_.warn("data-dir used by this member must be removed");
    request_stop_();
  });
}

void RunningServer::on_ready() {
  Wiring& w = *wiring_;
  w.services->start();
  for (auto& listener : w.listeners)
    if (absl::Status s = listener->start(); !s.ok()) process_.die(message(s));
  for (const Port& port : w.client_ports) {
    const std::string_view traffic = port.grpc ? port.http ? "grpc+http" : "grpc" : "http";
    if (port.secure)
      log_.info("serving client traffic securely", {{"traffic", traffic}, {"address", port.address}});
    if (port.insecure)
      log_.info("serving client traffic insecurely; this is strongly discouraged!",
                {{"traffic", traffic}, {"address", port.address}});
  }
  log_.info("ready to serve client requests");
  os::notify_systemd("READY=1");
}

void RunningServer::export_facts() {
  Wiring& w = *wiring_;
  const auto one = [&](const char* name, const char* help, env::Labels labels) {
    w.metrics.gauge(name, help, std::move(labels)).set(1);
  };
  one("etcd_server_version", "Which version is running. 1 for 'server_version' label.",
      {{"server_version", std::string(server::kEtcdVersion)}});
  one("etcd_server_id", "Server or member ID in hexadecimal format. 1 for 'server_id' label.",
      {{"server_id", hex_id(w.member->info().member_id().value)}});
  // The v2 store's, of which nothing is left to count (MET-32), and those of the gRPC proxy, which etcd's binary holds too
  // (MET-36): at 0 in both.
  w.metrics.counter("etcd_debugging_store_expires_total", "Total number of expired keys.");
  w.metrics.counter("etcd_debugging_store_watch_requests_total",
                    "Total number of incoming watch requests (new or reestablished).");
  w.metrics.gauge("etcd_debugging_store_watchers", "Count of currently active watchers.");
  w.metrics.gauge("etcd_grpc_proxy_cache_hits_total", "Total number of cache hits");
  w.metrics.gauge("etcd_grpc_proxy_cache_keys_total", "Total number of keys/ranges cached");
  w.metrics.gauge("etcd_grpc_proxy_cache_misses_total", "Total number of cache misses");
  w.metrics.counter("etcd_grpc_proxy_events_coalescing_total", "Total number of events coalescing");
  w.metrics.gauge("etcd_grpc_proxy_watchers_coalescing_total", "Total number of current watchers coalescing");
  const int64_t quota = apply::Quota(config_.quota_backend_bytes).limit_bytes();
  w.metrics.gauge("etcd_server_quota_backend_bytes", "Current backend storage quota size in bytes.")
      .set(static_cast<double>(quota));
  for (const config::FeatureGates::Shown& feature : config_.feature_gates.shown())
    w.metrics
        .gauge("etcd_server_feature_enabled", "Whether or not a feature is enabled.",
               {{"name", std::string(feature.name)}, {"stage", std::string(config::to_string(feature.stage))}})
        .set(feature.enabled ? 1 : 0);
}

void RunningServer::stop() {
  Wiring& w = *wiring_;
  os::notify_systemd("STOPPING=1");
  const env::Duration patience =
      std::chrono::seconds(5) + 2 * std::chrono::milliseconds(config_.election_timeout_ms);
  for (auto* listeners : {&w.listeners, &w.metrics_listeners}) {
    for (auto& listener : *listeners) {
      Latch closed;
      listener->stop(patience, closed.opener());
      closed.wait();
    }
  }
  for (const Port& port : w.client_ports) remove_socket_file(w.files, port.options).IgnoreError();
  for (const auto& reader : w.readers) reader->stop();  // before the store that they read
  Latch stopped;
  w.member->stop(stopped.opener());
  stopped.wait();
  w.peers->stop();
  w.listeners.clear();
  w.metrics_listeners.clear();
  w.io.stop();
  w.watch.reset();
  w.services.reset();
  for (os::ThreadExecutor* executor : {&w.background, &w.raft, &w.backend, &w.apply}) executor->stop();
  w.http.reset();
  w.gateway.reset();
  w.grpc.reset();
  w.metrics_http.reset();
  w.member.reset();
}

}  // namespace holdfast::app
