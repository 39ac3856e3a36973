// Writes messages to the stream that a peer holds open with us (etcd rafthttp/stream.go streamWriter; parity RAFT-06,
// RAFT-08, RAFT-12). One connection at a time; a newer one takes the place of the older.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>

#include "net/http.h"
#include "peer/codec.h"
#include "peer/host.h"
#include "peer/peer_status.h"

namespace holdfast::peer {

enum class StreamType : uint8_t { message, msgapp };
std::string_view stream_name(StreamType type);  // "stream Message", "stream MsgApp v2": in logs
std::string_view stream_path(StreamType type);  // "/raft/stream/message", "/raft/stream/msgapp"

// On the transport's thread.
class StreamWriter {
 public:
  StreamWriter(const TransportWorld& world, MemberId remote, StreamType type, PeerStatus& status,
               PeerSeries& series);
  ~StreamWriter();

  // Answers `exchange` with 200 and a body without end.
  void attach(net::HttpExchangeRef exchange);
  bool working() const { return connection_ != nullptr; }
  // False, and nothing is taken, when too much waits already. Only while working(). What is taken is written by flush(),
  // or later if the connection is slow.
  bool send(raft::Message& message);
  void flush();

 private:
  struct Connection;

  void detach();
  void on_lost();
  void encode(const raft::Message& message);
  void pump();
  void beat();

  const TransportWorld& world_;
  const MemberId remote_;
  const StreamType type_;
  PeerStatus& status_;
  PeerSeries& series_;

  std::shared_ptr<Connection> connection_;  // shared with the hooks of its exchange
  MsgAppEncoder encoder_;
  std::string encoded_;  // since the last flush
  std::deque<raft::Message> waiting_;
  size_t waiting_bytes_ = 0;
  env::TimerId heartbeat_ = 0;
};

}  // namespace holdfast::peer
