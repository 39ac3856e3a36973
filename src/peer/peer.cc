#include "peer/peer.h"

namespace holdfast::peer {

Peer::Peer(const TransportWorld& world, MemberId id, const std::vector<std::string>& urls,
           PeerSeries& series, PeerStatus& status)
    : world_(world),
      id_(id),
      series_(series),
      status_(status),
      picker_(urls),
      inbox_(world, id, series),
      msgapp_writer_(world, id, StreamType::msgapp, status, series),
      message_writer_(world, id, StreamType::message, status, series),
      pipeline_(world, id, picker_, status, series),
      snapshots_(world, id, picker_, status, series),
      msgapp_reader_(world, id, StreamType::msgapp, {picker_, status_, series_, inbox_}),
      message_reader_(world, id, StreamType::message, {picker_, status_, series_, inbox_}) {
  probe_from(urls);
  world_.log.info("started remote peer", {{"remote-peer-id", id_}});
}

Peer::~Peer() { world_.log.info("stopped remote peer", {{"remote-peer-id", id_}}); }

void Peer::probe_from(const std::vector<std::string>& urls) {
  probers_.clear();
  for (const char* name : {"ROUND_TRIPPER_SNAPSHOT", "ROUND_TRIPPER_RAFT_MESSAGE"})
    probers_.push_back(std::make_unique<Prober>(world_, id_, UrlPicker(urls), series_, name));
}

void Peer::update(const std::vector<std::string>& urls) {
  picker_.update(urls);
  probe_from(urls);
}

void Peer::attach(StreamType type, net::HttpExchangeRef exchange) {
  (type == StreamType::msgapp ? msgapp_writer_ : message_writer_).attach(std::move(exchange));
}

void Peer::send(raft::Message& message) {
  const raft::MessageType type = message.type;
  std::string_view way = "pipeline";
  bool taken = false;
  if (type == raft::MessageType::snap) {
    taken = pipeline_.send(message);
  } else if (type == raft::MessageType::app && msgapp_writer_.working()) {
    way = "streamMsgAppV2";
    taken = msgapp_writer_.send(message);
  } else if (message_writer_.working()) {
    way = "streamMsg";
    taken = message_writer_.send(message);
  } else {
    taken = pipeline_.send(message);
  }
  if (taken) return;
  world_.host.report_unreachable(id_);
  if (type == raft::MessageType::snap)
    world_.host.report_snapshot(id_, raft::SnapshotStatus::failed);
  world_.log.warn("dropped internal Raft message since sending buffer is full",
                  {{"message-type", raft::name(type)},
                   {"local-member-id", world_.self.member},
                   {"from", world_.self.member},
                   {"remote-peer-id", id_},
                   {"remote-peer-name", way},
                   {"remote-peer-active", status_.is_active()}});
  series_.sent_failures.increment();
}

void Peer::flush() {
  msgapp_writer_.flush();
  message_writer_.flush();
}

Remote::Remote(const TransportWorld& world, MemberId id, const std::vector<std::string>& urls)
    : world_(world),
      id_(id),
      series_(world.metrics, world.self.member, id),
      status_(world.thread.clock(), world.log, series_, id),
      picker_(urls),
      pipeline_(world, id, picker_, status_, series_) {}

void Remote::send(raft::Message& message) {
  const raft::MessageType type = message.type;
  if (pipeline_.send(message)) return;
  world_.log.warn(status_.is_active()
                      ? "dropped internal Raft message since sending buffer is full (overloaded network)"
                      : "dropped Raft message since sending buffer is full (overloaded network)",
                  {{"message-type", raft::name(type)},
                   {"local-member-id", world_.self.member},
                   {"from", world_.self.member},
                   {"remote-peer-id", id_},
                   {"remote-peer-active", status_.is_active()}});
  series_.sent_failures.increment();
}

}  // namespace holdfast::peer
