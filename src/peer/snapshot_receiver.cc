#include "peer/snapshot_receiver.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/errors.h"
#include "base/wire.h"
#include "fmt/format.h"
#include "peer/codec.h"
#include "peer/metrics.h"
#include "peer/replies.h"
#include "raft/codec.h"
#include "server/snapshot_receiver.h"

namespace holdfast::peer {

namespace {

// Received and not yet written; the peer waits while it is more.
constexpr size_t kUnwrittenMax = 4 * 1024 * 1024;

double seconds(env::Duration duration) { return static_cast<double>(duration.count()) / 1e9; }

// How long the disk takes over the file is observed.
absl::Status complete(server::SnapshotDownload& download, env::FileSystem& files, const env::Clock& clock,
                      env::Histogram& sync_seconds) {
  const env::Instant start = clock.now();
  absl::Status status = download.complete(files);
  sync_seconds.observe(seconds(clock.now() - start));
  return status;
}

// Shared by the sink and by what it has posted.
class Reception : public std::enable_shared_from_this<Reception> {
 public:
  Reception(const Transport& transport, HeldBytesLimit& posted, net::HttpExchangeRef exchange)
      : transport_(transport),
        world_(transport.world()),
        exchange_(std::move(exchange)),
        began_(world_.thread.now()),
        head_(posted) {}

  void on_piece(std::string_view piece);
  void on_end();
  void on_abort();

 private:
  // Moves what belongs to the message from `piece` to head_.
  void read_head(std::string_view& piece);
  void on_message(std::string_view encoded);
  void write(std::string piece);
  void saved(const absl::Status& status, uint64_t bytes);
  void fail(int status, std::string_view text);

  const Transport& transport_;
  const TransportWorld& world_;
  net::HttpExchangeRef exchange_;
  const env::Instant began_;
  HeldBytes head_;  // until the end: the message holds as much
  std::optional<raft::Message> message_;
  std::string from_;
  std::string series_name_ = "0";  // as etcd has it before the message is there
  std::optional<SnapshotReceiveSeries> series_;
  std::shared_ptr<server::SnapshotDownload> download_;  // on the background executor alone; shared with the writes under way
  size_t unwritten_ = 0;
  bool paused_ = false;
  bool over_ = false;
};

class Sink final : public net::HttpBodySink {
 public:
  explicit Sink(std::shared_ptr<Reception> reception) : reception_(std::move(reception)) {}
  void on_piece(std::string_view piece) override { reception_->on_piece(piece); }
  void on_end() override { reception_->on_end(); }
  void on_abort() override { reception_->on_abort(); }

 private:
  std::shared_ptr<Reception> reception_;
};

void Reception::read_head(std::string_view& piece) {
  const auto take_to = [&](size_t size) {
    const size_t held = head_.bytes().size();
    const size_t more = std::min(piece.size(), size - std::min(size, held));
    if (!head_.append(piece.substr(0, more))) fail(413, kTooMuchPosted);
    piece.remove_prefix(more);
    return !over_ && held + more >= size;
  };
  if (!take_to(8)) return;
  const uint64_t length = wire::read_be64(head_.bytes().data());
  if (length > kSnapshotMessageBytesMax)
    return fail(400, "failed to decode raft message (rafthttp: error limit exceeded)");
  if (take_to(8 + static_cast<size_t>(length))) on_message(std::string_view(head_.bytes()).substr(8));
}

void Reception::on_message(std::string_view encoded) {
  auto decoded = raft::decode_message(encoded);
  if (!decoded.ok())
    return fail(400, fmt::format("failed to decode raft message ({})", message(decoded.status())));
  from_ = hex_id(decoded->from.value);
  series_name_ = transport_.series_name(decoded->from);
  received_bytes(world_.metrics, series_name_).add(static_cast<double>(encoded.size()));
  if (decoded->type != raft::MessageType::snap || !decoded->has_snapshot()) {
    world_.log.warn("unexpected Raft message type", {{"local-member-id", world_.self.member},
                                                     {"remote-snapshot-sender-id", from_},
                                                     {"message-type", raft::name(decoded->type)}});
    return fail(400, "wrong raft message type");
  }
  message_ = *std::move(decoded);
  series_.emplace(world_.metrics, series_name_);
  series_->inflights.add(1);
  const Index index = message_->snapshot->metadata.index;
  world_.log.info("receiving database snapshot",
                  {{"local-member-id", world_.self.member},
                   {"remote-snapshot-sender-id", from_},
                   {"incoming-snapshot-index", index},
                   {"incoming-snapshot-message-size-bytes", static_cast<uint64_t>(encoded.size())}});
  download_ = std::make_shared<server::SnapshotDownload>();
  // Two of the same index may come at a time, from an old leader and a new one.
  download_->path = fmt::format("{}/tmp{:016x}-{:x}", world_.settings.snap_dir, index.value,
                                static_cast<uint64_t>(began_.nanoseconds));
}

void Reception::on_piece(std::string_view piece) {
  if (over_) return;
  if (!message_) read_head(piece);
  if (over_ || piece.empty()) return;
  write(std::string(piece));
}

void Reception::write(std::string piece) {
  unwritten_ += piece.size();
  if (unwritten_ > kUnwrittenMax && !std::exchange(paused_, true)) exchange_->pause_body();
  world_.background.post([self = shared_from_this(), download = download_, piece = std::move(piece),
                          world = &world_]() mutable {
    download->write(world->files, piece);
    world->thread.post([self = std::move(self), size = piece.size()] {
      self->unwritten_ -= size;
      if (self->unwritten_ <= kUnwrittenMax / 2 && std::exchange(self->paused_, false))
        self->exchange_->resume_body();
    });
  });
}

void Reception::on_end() {
  if (over_) return;
  if (!message_) return fail(400, "failed to decode raft message (unexpected EOF)");
  over_ = true;
  head_.clear();
  world_.background.post([self = shared_from_this(), download = download_, world = &world_,
                          message = *std::move(message_)]() mutable {
    const SnapshotFileSeries series(world->metrics);
    const env::Clock& clock = world->thread.clock();
    absl::Status status = complete(*download, world->files, clock, series.sync_seconds);
    const bool was_saved = status.ok();
    if (was_saved) series.save_seconds.observe(seconds(clock.now() - self->began_));
    if (was_saved) status = world->host.receive_snapshot(std::move(message), download->path);
    world->thread.post([self = std::move(self), status, bytes = download->size] {
      self->saved(status, bytes);
    });
  });
}

void Reception::saved(const absl::Status& status, uint64_t bytes) {
  series_->inflights.add(-1);
  if (!status.ok()) {
    world_.log.warn("failed to save incoming database snapshot",
                    {{"local-member-id", world_.self.member},
                     {"remote-snapshot-sender-id", from_},
                     {"error", message(status)}});
    series_->failures.increment();
    reply_error(*exchange_, world_.self,500, fmt::format("failed to save KV snapshot ({})", message(status)));
    return;
  }
  received_bytes(world_.metrics, series_name_).add(static_cast<double>(bytes));
  world_.log.info("received and saved database snapshot",
                  {{"local-member-id", world_.self.member},
                   {"remote-snapshot-sender-id", from_},
                   {"incoming-snapshot-size-bytes", bytes}});
  exchange_->respond(204, {cluster_field(world_.self)}, "");
  series_->success.increment();
  series_->seconds.observe(seconds(world_.thread.now() - began_));
}

void Reception::fail(int status, std::string_view text) {
  over_ = true;
  head_.clear();
  world_.log.warn("failed to decode Raft message", {{"local-member-id", world_.self.member},
                                                    {"remote-snapshot-sender-id", from_},
                                                    {"error", text}});
  received_failures(world_.metrics, host_of(exchange_->peer().address)).increment();
  SnapshotReceiveSeries(world_.metrics, series_name_).failures.increment();
  reply_error(*exchange_, world_.self, status, text);
}

void Reception::on_abort() {
  head_.clear();
  if (std::exchange(over_, true) || !download_) return;
  series_->inflights.add(-1);
  series_->failures.increment();
  world_.log.warn("failed to save incoming database snapshot",
                  {{"local-member-id", world_.self.member},
                   {"remote-snapshot-sender-id", from_},
                   {"error", "unexpected EOF"}});
  world_.background.post(
      [download = download_, world = &world_] { download->discard(world->files); });
}

}  // namespace

std::unique_ptr<net::HttpBodySink> receive_snapshot(const Transport& transport, HeldBytesLimit& posted,
                                                    net::HttpExchangeRef exchange) {
  return std::make_unique<Sink>(std::make_shared<Reception>(transport, posted, std::move(exchange)));
}

}  // namespace holdfast::peer
