#include "peer/stream_reader.h"

#include <utility>
#include <vector>

#include "base/errors.h"
#include "fmt/format.h"
#include "net/connector.h"
#include "peer/dialer.h"

namespace holdfast::peer {

struct StreamReader::Dial {
  StreamReader* reader;  // null: given up
  Address address;
  std::unique_ptr<net::HttpClient> client;
};

class StreamReader::Sink final : public net::HttpClient::Sink {
 public:
  explicit Sink(std::shared_ptr<Dial> dial) : dial_(std::move(dial)) {}
  void on_head(const net::HttpResponse& head) override {
    if (dial_->reader) dial_->reader->on_head(head);
  }
  void on_piece(std::string_view piece) override {
    if (dial_->reader) dial_->reader->on_piece(piece);
  }

 private:
  std::shared_ptr<Dial> dial_;
};

StreamReader::StreamReader(const TransportWorld& world, MemberId remote, StreamType type, Parts parts)
    : world_(world), remote_(remote), type_(type), parts_(parts) {
  world_.log.info("started stream reader with remote peer",
                  {{"stream-reader-type", stream_name(type_)},
                   {"local-member-id", world_.self.member},
                   {"remote-peer-id", remote_}});
  dial();
}

StreamReader::~StreamReader() {
  world_.thread.cancel(redial_);
  drop_dial();
  world_.log.info("stopped stream reader with remote peer",
                  {{"stream-reader-type", stream_name(type_)},
                   {"local-member-id", world_.self.member},
                   {"remote-peer-id", remote_}});
}

void StreamReader::dial() {
  redial_ = 0;
  dialled_at_ = heard_at_ = world_.thread.now();
  const auto address = parts_.picker.pick();
  if (!address) return lost("dial", "the member has no URL that can be dialled");
  dial_ = std::make_shared<Dial>(
      Dial{this, *address, make_client(world_.thread, world_.settings, *address)});
  net::HttpClientRequest request;
  request.target = fmt::format("{}/{}", stream_path(type_), hex_id(world_.self.member.value));
  request.fields = introduction(world_.self);
  request.fields.emplace_back("X-Raft-To", hex_id(remote_.value));
  if (type_ == StreamType::msgapp) {
    decoder_ = std::make_unique<MsgAppDecoder>(world_.self.member, remote_);
  } else {
    decoder_ = std::make_unique<MessageDecoder>();
  }
  watch_silence();
  dial_->client->send(std::move(request), std::make_unique<Sink>(dial_),
                      [dial = dial_](const absl::Status& status, const net::HttpResponse& response) {
                        if (dial->reader) dial->reader->on_done(status, response);
                      });
}

void StreamReader::on_head(const net::HttpResponse&) {
  heard_at_ = world_.thread.now();
  established_ = true;
  parts_.status.activate();
  world_.log.info("established TCP streaming connection with remote peer",
                  {{"stream-reader-type", stream_name(type_)},
                   {"local-member-id", world_.self.member},
                   {"remote-peer-id", remote_}});
}

void StreamReader::on_piece(std::string_view bytes) {
  heard_at_ = world_.thread.now();
  parts_.series.received_bytes.add(static_cast<double>(bytes.size()));
  std::vector<raft::Message> messages;
  const absl::Status fed = decoder_->feed(bytes, messages);
  parts_.inbox.deliver(std::move(messages));
  if (!fed.ok()) return lost("read", message(fed));
  if (parts_.inbox.full()) wait_for_room();
}

void StreamReader::wait_for_room() {
  if (std::exchange(paused_, true)) return;
  dial_->client->pause();
  parts_.inbox.when_room([dial = dial_] {
    StreamReader* reader = dial->reader;
    if (!reader) return;
    reader->paused_ = false;
    if (reader->parts_.inbox.full()) return reader->wait_for_room();
    reader->heard_at_ = reader->world_.thread.now();
    dial->client->resume();
  });
}

void StreamReader::on_done(const absl::Status& status, const net::HttpResponse& response) {
  if (!established_ && net::is_refused(status)) world_.host.report_gone(remote_);
  if (!status.ok()) return lost(established_ ? "read" : "dial", message(status));
  if (response.status == 200) return lost("read", "EOF");
  lost("dial", refused(response));
}

std::string StreamReader::refused(const net::HttpResponse& response) {
  switch (response.status) {
    case 410:
      world_.host.removed_by_peers();
      return "the member has been permanently removed from the cluster";
    case 404:
      return fmt::format("peer {} failed to find local node {}", hex_id(remote_.value),
                         hex_id(world_.self.member.value));
    case 412: {
      std::string_view body = response.body;
      if (body.ends_with('\n')) body.remove_suffix(1);
      if (body == kIncompatibleVersion) {
        world_.log.warn("request sent was ignored by remote peer due to server version incompatibility",
                        {{"local-member-id", world_.self.member},
                         {"remote-peer-id", remote_},
                         {"error", kIncompatibleVersion}});
        return std::string(body);
      }
      if (body == kClusterIdMismatch) {
        world_.log.warn("request sent was ignored by remote peer due to cluster ID mismatch",
                        {{"remote-peer-id", remote_},
                         {"remote-peer-cluster-id", response.field("X-Etcd-Cluster-ID").value_or("")},
                         {"local-member-id", world_.self.member},
                         {"local-member-cluster-id", world_.self.cluster},
                         {"error", kClusterIdMismatch}});
        return std::string(body);
      }
      return fmt::format("unhandled error \"{}\" when precondition failed", response.body);
    }
    default:
      return fmt::format("unhandled http status {}", response.status);
  }
}

// Ends the connection, if there is one, and dials again when the time has come.
void StreamReader::lost(std::string_view action, std::string_view reason) {
  const std::string why(reason);
  if (established_) {
    world_.log.warn("lost TCP streaming connection with remote peer",
                    {{"stream-reader-type", stream_name(type_)},
                     {"local-member-id", world_.self.member},
                     {"remote-peer-id", remote_},
                     {"error", why}});
  } else if (dial_) {
    parts_.picker.unreachable(dial_->address);
  }
  drop_dial();
  // An orderly end says nothing about the peer: the next dial will.
  if (why != "EOF") parts_.status.deactivate(stream_name(type_), action, why);
  world_.thread.cancel(redial_);
  redial_ = world_.thread.post_at(dialled_at_ + world_.settings.redial_interval, [this] { dial(); });
}

void StreamReader::drop_dial() {
  world_.thread.cancel(std::exchange(silence_, 0));
  established_ = paused_ = false;
  if (!dial_) return;
  dial_->reader = nullptr;
  dispose(world_.thread, std::move(dial_->client));
  dial_.reset();
}

void StreamReader::watch_silence() {
  const env::Duration limit =
      established_ ? world_.settings.read_timeout
                   : world_.settings.dial_timeout + world_.settings.read_timeout;
  if (paused_) heard_at_ = world_.thread.now();
  silence_ = world_.thread.post_at(heard_at_ + limit, [this, limit] {
    silence_ = 0;
    if (!paused_ && world_.thread.now() - heard_at_ >= limit)
      return lost(established_ ? "read" : "dial", "i/o timeout");
    watch_silence();
  });
}

}  // namespace holdfast::peer
