// Holds a stream open that a peer writes to: dials it, reads it, dials again (etcd rafthttp/stream.go streamReader;
// parity RAFT-06, RAFT-07, RAFT-13).
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "net/http_client.h"
#include "peer/address.h"
#include "peer/codec.h"
#include "peer/host.h"
#include "peer/inbox.h"
#include "peer/peer_status.h"
#include "peer/stream_writer.h"

namespace holdfast::peer {

// On the transport's thread.
class StreamReader {
 public:
  struct Parts {
    UrlPicker& picker;
    PeerStatus& status;
    PeerSeries& series;
    Inbox& inbox;
  };
  StreamReader(const TransportWorld& world, MemberId remote, StreamType type, Parts parts);
  ~StreamReader();

 private:
  class Sink;
  struct Dial;  // one attempt, and the connection that came of it

  void dial();
  void on_head(const net::HttpResponse& head);
  void on_piece(std::string_view bytes);
  void on_done(const absl::Status& status, const net::HttpResponse& response);
  // Why a stream was not opened; logs, and tells the host, what etcd does.
  std::string refused(const net::HttpResponse& response);
  void lost(std::string_view action, std::string_view reason);
  void drop_dial();
  void watch_silence();
  void wait_for_room();

  const TransportWorld& world_;
  const MemberId remote_;
  const StreamType type_;
  Parts parts_;

  std::shared_ptr<Dial> dial_;  // shared with the callbacks of its client
  std::unique_ptr<StreamDecoder> decoder_;
  bool established_ = false;
  bool paused_ = false;
  env::Instant dialled_at_;
  env::Instant heard_at_;
  env::TimerId redial_ = 0;
  env::TimerId silence_ = 0;
};

}  // namespace holdfast::peer
