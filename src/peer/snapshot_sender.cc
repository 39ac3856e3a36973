#include "peer/snapshot_sender.h"

#include <utility>
#include <vector>

#include "base/errors.h"
#include "fmt/format.h"
#include "peer/codec.h"
#include "peer/dialer.h"
#include "peer/pipeline.h"

namespace holdfast::peer {

namespace {
// Read from the body, and handed to the connection, in one go.
constexpr size_t kPieceBytes = 256 * 1024;
// Waiting for the peer to take them; more would not make it faster.
constexpr size_t kOutboxBytes = 1024 * 1024;
// etcd waits without limit while it sends; a peer whose disk stalls is given this long to take something.
constexpr env::Duration kStallMax = std::chrono::seconds(60);
// From the last byte to the answer: the peer syncs the whole file in between.
constexpr env::Duration kAnswerMax = std::chrono::minutes(10);
}  // namespace

class SnapshotSender::Transfer : public std::enable_shared_from_this<Transfer> {
 public:
  Transfer(SnapshotSender& sender, const TransportWorld& world, server::OutgoingSnapshot snapshot)
      : sender_(&sender),
        world_(world),
        index_(snapshot.message.snapshot ? snapshot.message.snapshot->metadata.index : Index(0)),
        body_bytes_(snapshot.body_bytes),
        body_(std::move(snapshot.body)),
        began_(world.thread.now()) {
    append_message_frame(snapshot.message, head_);
  }

  void start(const Address& address);
  // No word comes from it any more.
  void give_up();

  const Address& address() const { return address_; }
  Index index() const { return index_; }
  uint64_t total_bytes() const { return head_.size() + body_bytes_; }
  env::Duration took() const { return world_.thread.now() - began_; }

 private:
  void pump();
  void on_piece(absl::StatusOr<std::string> piece);
  void finish(const absl::Status& outcome);

  SnapshotSender* sender_;  // null: given up
  const TransportWorld& world_;
  const Index index_;
  const uint64_t body_bytes_;
  std::shared_ptr<server::SnapshotBody> body_;  // shared with the read under way
  const env::Instant began_;
  Address address_;
  std::string head_;
  std::unique_ptr<net::HttpClient> client_;
  uint64_t sent_bytes_ = 0;
  bool reading_ = false;
  bool ended_ = false;
  env::TimerId answer_timer_ = 0;
};

void SnapshotSender::Transfer::start(const Address& address) {
  address_ = address;
  TransportSettings settings = world_.settings;
  settings.write_timeout = kStallMax;
  client_ = make_client(world_.thread, settings, address);
  net::HttpClientRequest request;
  request.method = "POST";
  request.target = "/raft/snapshot";
  request.fields = introduction(world_.self);
  request.fields.emplace_back("Content-Type", "application/octet-stream");
  auto self = shared_from_this();
  client_->upload(std::move(request),
                  {.on_open =
                       [self] {
                         if (!self->sender_) return;
                         self->client_->write(self->head_);
                         self->pump();
                       },
                   .on_drained = [self] { self->pump(); }},
                  [self](const absl::Status& status, const net::HttpResponse& response) {
                    if (!self->sender_) return;
                    self->finish(status.ok() ? check_post_response(self->world_, self->sender_->remote_,
                                                                   response, self->address_.url + "/raft/snapshot")
                                             : status);
                  });
}

void SnapshotSender::Transfer::pump() {
  if (!sender_ || reading_ || ended_ || client_->outbox_bytes() > kOutboxBytes) return;
  reading_ = true;
  world_.background.post([self = shared_from_this(), body = body_, thread = &world_.thread]() mutable {
    std::string piece(kPieceBytes, '\0');
    const absl::StatusOr<size_t> size = body->read(std::span<char>(piece));
    piece.resize(size.value_or(0));
    absl::StatusOr<std::string> result = std::move(piece);
    if (!size.ok()) result = size.status();
    thread->post([self = std::move(self), result = std::move(result)]() mutable {
      self->reading_ = false;
      if (self->sender_) self->on_piece(std::move(result));
    });
  });
}

void SnapshotSender::Transfer::on_piece(absl::StatusOr<std::string> piece) {
  if (!piece.ok()) return finish(piece.status());
  sent_bytes_ += piece->size();
  if (piece->empty()) {
    if (sent_bytes_ != body_bytes_)
      return finish(make_status(absl::StatusCode::kInternal,
                                fmt::format("snapshot body has {} bytes instead of {}", sent_bytes_,
                                            body_bytes_)));
    ended_ = true;
    body_.reset();
    client_->end();
    answer_timer_ = world_.thread.post_after(kAnswerMax, [self = shared_from_this()] {
      self->answer_timer_ = 0;
      if (self->sender_) self->finish(make_status(absl::StatusCode::kDeadlineExceeded, "i/o timeout"));
    });
    return;
  }
  client_->write(*std::move(piece));
  pump();
}

void SnapshotSender::Transfer::finish(const absl::Status& outcome) {
  SnapshotSender* sender = sender_;
  auto self = shared_from_this();
  give_up();
  sender->finished(self, outcome);
}

void SnapshotSender::Transfer::give_up() {
  sender_ = nullptr;
  body_.reset();
  world_.thread.cancel(std::exchange(answer_timer_, 0));
  dispose(world_.thread, std::move(client_));
}

SnapshotSender::SnapshotSender(const TransportWorld& world, MemberId remote, UrlPicker& picker,
                               PeerStatus& status, PeerSeries& series)
    : world_(world),
      remote_(remote),
      picker_(picker),
      status_(status),
      series_(series),
      snapshots_(world.metrics, remote) {}

SnapshotSender::~SnapshotSender() {
  while (!transfers_.empty()) {
    auto transfer = *transfers_.begin();
    transfer->give_up();
    finished(transfer, make_status(absl::StatusCode::kCancelled, "stopped"));
  }
}

void SnapshotSender::send(server::OutgoingSnapshot snapshot) {
  auto transfer = std::make_shared<Transfer>(*this, world_, std::move(snapshot));
  transfers_.insert(transfer);
  snapshots_.inflights.add(1);
  world_.log.info("sending database snapshot", {{"snapshot-index", transfer->index()},
                                                {"remote-peer-id", remote_},
                                                {"bytes", transfer->total_bytes()}});
  const auto address = picker_.pick();
  if (!address) {
    transfer->give_up();
    finished(transfer, make_status(absl::StatusCode::kUnavailable,
                                   "the member has no URL that can be dialled"));
    return;
  }
  transfer->start(*address);
}

void SnapshotSender::finished(const std::shared_ptr<Transfer>& transfer, const absl::Status& outcome) {
  transfers_.erase(transfer);
  snapshots_.inflights.add(-1);
  if (!outcome.ok()) {
    world_.log.warn("failed to send database snapshot", {{"snapshot-index", transfer->index()},
                                                         {"remote-peer-id", remote_},
                                                         {"bytes", transfer->total_bytes()},
                                                         {"error", message(outcome)}});
    picker_.unreachable(transfer->address());
    status_.deactivate("sendMsgSnap", "post", message(outcome));
    world_.host.report_unreachable(remote_);
    world_.host.report_snapshot(remote_, raft::SnapshotStatus::failed);
    series_.sent_failures.increment();
    snapshots_.failures.increment();
    return;
  }
  status_.activate();
  world_.host.report_snapshot(remote_, raft::SnapshotStatus::finished);
  world_.log.info("sent database snapshot", {{"snapshot-index", transfer->index()},
                                             {"remote-peer-id", remote_},
                                             {"bytes", transfer->total_bytes()}});
  series_.sent_bytes.add(static_cast<double>(transfer->total_bytes()));
  snapshots_.success.increment();
  snapshots_.seconds.observe(static_cast<double>(transfer->took().count()) / 1e9);
}

}  // namespace holdfast::peer
