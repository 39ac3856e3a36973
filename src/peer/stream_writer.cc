#include "peer/stream_writer.h"

#include <utility>

#include "peer/inbox.h"
#include "server/member_info.h"

namespace holdfast::peer {

namespace {

// etcd's streamBufSize.
constexpr size_t kMessagesMax = 4096;
// A leader has 512 appends in flight, of up to 1 MiB each (RAL-12), whose entries its log holds anyway. A connection that
// leaves so much standing won't catch up by getting more: it should see appends fail, and raft probe it.
constexpr size_t kBytesMax = 128 * 1024 * 1024;
// Encoded ahead of the socket; beyond it messages wait as they are, sharing their entries with the log.
constexpr size_t kOutboxBytes = 1024 * 1024;

}  // namespace

// One attached exchange. The hooks hold it, and find out by `writer` whether it still counts.
struct StreamWriter::Connection {
  StreamWriter* writer;
  net::HttpExchangeRef exchange;
};

std::string_view stream_name(StreamType type) {
  return type == StreamType::msgapp ? "stream MsgApp v2" : "stream Message";
}

std::string_view stream_path(StreamType type) {
  return type == StreamType::msgapp ? "/raft/stream/msgapp" : "/raft/stream/message";
}

StreamWriter::StreamWriter(const TransportWorld& world, MemberId remote, StreamType type,
                           PeerStatus& status, PeerSeries& series)
    : world_(world), remote_(remote), type_(type), status_(status), series_(series) {
  world_.log.info("started stream writer with remote peer",
                  {{"local-member-id", world_.self.member}, {"remote-peer-id", remote_}});
}

StreamWriter::~StreamWriter() {
  if (connection_) detach();
  world_.log.info("stopped TCP streaming connection with remote peer",
                  {{"stream-writer-type", stream_name(type_)}, {"remote-peer-id", remote_}});
}

void StreamWriter::attach(net::HttpExchangeRef exchange) {
  if (connection_) {
    detach();
    world_.log.warn("closed TCP streaming connection with remote peer",
                    {{"stream-writer-type", stream_name(type_)},
                     {"local-member-id", world_.self.member},
                     {"remote-peer-id", remote_}});
  }
  connection_ = std::make_shared<Connection>(Connection{this, exchange});
  encoder_ = MsgAppEncoder();
  exchange->on_cancel([connection = connection_] {
    if (connection->writer) connection->writer->on_lost();
  });
  exchange->on_drained([connection = connection_] {
    if (connection->writer) connection->writer->pump();
  });
  exchange->start(200, {{"X-Server-Version", std::string(server::kEtcdVersion)},
                        {"X-Etcd-Cluster-ID", hex_id(world_.self.cluster.value)}});
  status_.activate();
  world_.log.info("established TCP streaming connection with remote peer",
                  {{"stream-writer-type", stream_name(type_)},
                   {"local-member-id", world_.self.member},
                   {"remote-peer-id", remote_}});
  heartbeat_ = world_.thread.post_after(world_.settings.read_timeout / 3, [this] { beat(); });
}

// Lets go of the exchange, which ends its connection, and of what waited for it.
void StreamWriter::detach() {
  world_.thread.cancel(std::exchange(heartbeat_, 0));
  auto connection = std::exchange(connection_, nullptr);
  connection->writer = nullptr;
  // The hooks hold the connection, and the exchange holds the hooks.
  net::HttpExchangeRef exchange = std::move(connection->exchange);
  exchange->on_drained({});
  if (!exchange->cancelled()) exchange->on_cancel({});
  const bool lost_messages = !waiting_.empty() || !encoded_.empty();
  waiting_.clear();
  waiting_bytes_ = 0;
  encoded_.clear();
  if (lost_messages) world_.host.report_unreachable(remote_);
}

void StreamWriter::on_lost() {
  status_.deactivate(stream_name(type_), "write", "the connection is closed");
  series_.sent_failures.increment();
  detach();
  world_.log.warn("lost TCP streaming connection with remote peer",
                  {{"stream-writer-type", stream_name(type_)},
                   {"local-member-id", world_.self.member},
                   {"remote-peer-id", remote_}});
}

bool StreamWriter::send(raft::Message& message) {
  if (waiting_.empty() && connection_->exchange->outbox_bytes() + encoded_.size() < kOutboxBytes) {
    encode(message);
    return true;
  }
  const size_t bytes = footprint(message);
  if (waiting_.size() >= kMessagesMax || waiting_bytes_ + bytes > kBytesMax) return false;
  waiting_bytes_ += bytes;
  waiting_.push_back(std::move(message));
  return true;
}

void StreamWriter::encode(const raft::Message& message) {
  if (type_ == StreamType::msgapp) {
    encoder_.append(message, encoded_);
  } else {
    append_message_frame(message, encoded_);
  }
}

void StreamWriter::flush() {
  if (encoded_.empty() || !connection_) return;
  series_.sent_bytes.add(static_cast<double>(encoded_.size()));
  connection_->exchange->write(std::exchange(encoded_, {}));
}

void StreamWriter::pump() {
  while (!waiting_.empty() && connection_->exchange->outbox_bytes() + encoded_.size() < kOutboxBytes) {
    waiting_bytes_ -= footprint(waiting_.front());
    encode(waiting_.front());
    waiting_.pop_front();
  }
  flush();
}

void StreamWriter::beat() {
  heartbeat_ = world_.thread.post_after(world_.settings.read_timeout / 3, [this] { beat(); });
  // Behind other output it would only wait; that output is a sign of life itself.
  if (!waiting_.empty()) return;
  encode(link_heartbeat());
  flush();
}

}  // namespace holdfast::peer
