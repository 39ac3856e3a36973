#include "peer/transport.h"

#include <utility>

#include "base/check.h"
#include "peer/metrics.h"

namespace holdfast::peer {

namespace {
// Members that made themselves known to us, without being peers. A cluster has few members, and a hostile client must not
// make us keep more.
constexpr size_t kRemotesMax = 64;
}  // namespace

struct Transport::Standing {
  Standing(const TransportWorld& world, MemberId id)
      : series(world.metrics, world.self.member, id),
        status(world.thread.clock(), world.log, series, id) {}
  PeerSeries series;
  PeerStatus status;
};

Transport::Transport(Parts parts, TransportSettings settings)
    : parts_(parts), settings_(std::move(settings)) {
  SnapshotFileSeries series(parts_.metrics);  // seen before the first snapshot (TRP-64)
}

Transport::~Transport() = default;

void Transport::start(Identity self, Host& host) {
  self_ = std::move(self);
  world_ = std::make_unique<TransportWorld>(TransportWorld{parts_.thread, parts_.background, parts_.files,
                                                           parts_.metrics, parts_.log, settings_, self_,
                                                           host});
}

void Transport::stop(Task stopped) {
  parts_.thread.post([this, stopped = std::move(stopped)]() mutable {
    stopped_ = true;
    peers_.clear();
    remotes_.clear();
    stopped();
  });
}

void Transport::send(std::vector<raft::Message> messages) {
  parts_.thread.post([this, messages = std::move(messages)]() mutable { send_now(std::move(messages)); });
}

void Transport::send_now(std::vector<raft::Message> messages) {
  for (raft::Message& message : messages) {
    const MemberId to = message.to;
    if (Peer* peer = find(to)) {
      peer->send(message);
      touched_.insert(peer);
    } else if (auto remote = remotes_.find(to); remote != remotes_.end()) {
      remote->second->send(message);
    } else {
      parts_.log.debug("ignored message send request; unknown remote peer target",
                       {{"type", raft::name(message.type)}, {"unknown-target-peer-id", to}});
    }
  }
  for (Peer* peer : touched_) peer->flush();
  touched_.clear();
}

void Transport::send_snapshot(server::OutgoingSnapshot snapshot) {
  parts_.thread.post([this, snapshot = std::move(snapshot)]() mutable {
    const MemberId to = snapshot.message.to;
    if (Peer* peer = find(to)) {
      peer->send_snapshot(std::move(snapshot));
      return;
    }
    world_->host.report_unreachable(to);
    world_->host.report_snapshot(to, raft::SnapshotStatus::failed);
  });
}

Peer* Transport::find(MemberId id) {
  const auto found = peers_.find(id);
  return found == peers_.end() ? nullptr : found->second.get();
}

std::string Transport::series_name(MemberId from) const {
  return peers_.contains(from) || remotes_.contains(from) ? hex_id(from.value) : "unknown";
}

void Transport::add(MemberId id, const std::vector<std::string>& urls) {
  {
    std::lock_guard lock(mutex_);
    auto& standing = standings_[id];
    if (!standing) standing = std::make_unique<Standing>(*world_, id);
  }
  parts_.thread.post([this, id, urls] { add_now(id, urls); });
}

void Transport::add_now(MemberId id, const std::vector<std::string>& urls) {
  if (stopped_ || peers_.contains(id)) return;
  remotes_.erase(id);
  Standing* standing = nullptr;
  {
    std::lock_guard lock(mutex_);
    standing = standings_.at(id).get();
  }
  parts_.log.info("starting remote peer", {{"remote-peer-id", id}});
  peers_[id] = std::make_unique<Peer>(*world_, id, urls, standing->series, standing->status);
  parts_.log.info("added remote peer", {{"local-member-id", self_.member},
                                        {"remote-peer-id", id},
                                        {"remote-peer-urls", urls}});
}

void Transport::add_remote(MemberId id, const std::vector<std::string>& urls) {
  parts_.thread.post([this, id, urls] { add_remote_now(id, urls); });
}

void Transport::add_remote_now(MemberId id, const std::vector<std::string>& urls) {
  if (stopped_ || peers_.contains(id) || remotes_.contains(id) || id == self_.member) return;
  if (remotes_.size() >= kRemotesMax) return;
  remotes_[id] = std::make_unique<Remote>(*world_, id, urls);
  parts_.log.info("added new remote peer", {{"local-member-id", self_.member},
                                            {"remote-peer-id", id},
                                            {"remote-peer-urls", urls}});
}

void Transport::remove(MemberId id) {
  parts_.thread.post([this, id] { remove_now(id); });
}

void Transport::remove_now(MemberId id) {
  if (peers_.erase(id) == 0) {
    parts_.log.warn("skipped removing already removed peer",
                    {{"local-member-id", self_.member}, {"removed-remote-peer-id", id}});
    return;
  }
  std::lock_guard lock(mutex_);
  standings_.at(id)->status.forget();
  parts_.log.info("removed remote peer",
                  {{"local-member-id", self_.member}, {"removed-remote-peer-id", id}});
}

void Transport::remove_all() {
  parts_.thread.post([this] {
    while (!peers_.empty()) remove_now(peers_.begin()->first);
  });
}

void Transport::update(MemberId id, const std::vector<std::string>& urls) {
  parts_.thread.post([this, id, urls] {
    Peer* peer = find(id);
    if (!peer) return;
    peer->update(urls);
    parts_.log.info("updated remote peer", {{"local-member-id", self_.member},
                                            {"updated-remote-peer-id", id},
                                            {"updated-remote-peer-urls", urls}});
  });
}

env::Instant Transport::active_since(MemberId id) const {
  std::lock_guard lock(mutex_);
  const auto found = standings_.find(id);
  return found == standings_.end() ? env::Instant{} : found->second->status.active_since();
}

}  // namespace holdfast::peer
