#include "apps/holdfast/peer_side.h"

#include <atomic>
#include <future>

#include "apps/holdfast/client_ports.h"
#include "membership/cluster.h"
#include "peer/lease_endpoints.h"
#include "peer/promote_endpoint.h"

namespace holdfast::app {

class PeerSide::Bridge final : public peer::Host {
 public:
  Bridge(server::Member& member, Task removed) : member_(member), removed_(std::move(removed)) {}

  void receive(std::vector<raft::Message> messages, Task taken) override {
    member_.receive(std::move(messages), std::move(taken));
  }
  absl::Status receive_snapshot(raft::Message message, const std::string& path) override {
    return member_.receive_snapshot(std::move(message), path);
  }
  bool is_removed(MemberId id) const override { return member_.info().cluster()->is_removed(id); }
  void report_unreachable(MemberId id) override { member_.report_unreachable(id); }
  void report_gone(MemberId id) override { member_.report_gone(id); }
  void report_snapshot(MemberId id, raft::SnapshotStatus status) override {
    member_.report_snapshot(id, status);
  }
  void removed_by_peers() override {
    if (!said_.exchange(true)) removed_();
  }

 private:
  server::Member& member_;
  Task removed_;
  std::atomic<bool> said_{false};
};

PeerSide::PeerSide(const config::Config& config, const server::MemberConfig& member,
                   config::TlsFiles tls, const PeerDialling& dialling, const World& world)
    : config_(config),
      member_config_(member),
      tls_(std::move(tls)),
      world_(world),
      io_(world.clock, 1, "peer"),
      transfers_("transfer", world.clock),
      settings_(transport_settings(config, member, tls_, dialling)),
      remote_(io_.at(0), settings_),
      transport_({io_.at(0), transfers_, world.files, world.metrics, world.log}, settings_),
      endpoints_(transport_, world.log),
      lease_forwarder_(io_.at(0), settings_) {}

PeerSide::~PeerSide() = default;

absl::Status PeerSide::bind() {
  for (const config::Url& url : config_.listen_peer_urls) {
    auto options = peer_listener_settings(config_, url, tls_);
    if (!options.ok()) return options.status();
    if (absl::Status s = remove_socket_file(world_.files, *options); !s.ok()) return s;
    ports_.push_back(*options);
    listeners_.push_back(
        std::make_unique<net::Listener>(io_, *std::move(options), world_.log, nullptr, &endpoints_));
    if (absl::Status s = listeners_.back()->bind(); !s.ok()) return s;
  }
  io_.start();
  return absl::OkStatus();
}

absl::Status PeerSide::serve(server::Member& member, Task removed) {
  bridge_ = std::make_unique<Bridge>(member, std::move(removed));
  const server::MemberInfo& info = member.info();
  transport_.start({info.member_id(), info.cluster_id(), member_config_.advertise_peer_urls}, *bridge_);
  peer::add_lease_endpoints(endpoints_, member.leases());
  endpoints_.add(peer::kPromotePath,
                 peer::promote_endpoint(transport_.world().self, member.cluster_services().membership,
                                        world_.log));
  endpoints_.use({info, member.operations(), member.door()});
  for (size_t i = 0; i < listeners_.size(); ++i) {
    if (absl::Status s = listeners_[i]->start(); !s.ok()) return s;
    world_.log.info("serving peer traffic", {{"address", config_.listen_peer_urls[i].is_unix() ? ports_[i].unix_path
                                                                               : config_.listen_peer_urls[i].host}});
  }
  return absl::OkStatus();
}

void PeerSide::stop() {
  std::promise<void> stopped;
  transport_.stop([this, &stopped] {
    lease_forwarder_.stop();
    stopped.set_value();
  });
  stopped.get_future().wait();
  listeners_.clear();
  for (const net::ListenerOptions& port : ports_) remove_socket_file(world_.files, port).IgnoreError();
  io_.stop();
  transfers_.stop();
}

}  // namespace holdfast::app
