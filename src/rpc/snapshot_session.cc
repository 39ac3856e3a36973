#include "rpc/snapshot_session.h"

#include <algorithm>
#include <string>
#include <utility>

#include "rpc.pb.h"
#include "server/snapshot_pieces.h"

namespace holdfast::rpc {

namespace {

constexpr size_t kBlobBytes = 32 * 1024;  // etcd's snapshotSendBufferSize
// Made at once in the background, and the most that waits for the client besides.
constexpr size_t kPieceBytes = 8 * kBlobBytes;

// Shared by the session and what it waits for: the client may go away before it comes.
struct Transfer : std::enable_shared_from_this<Transfer> {
  net::StreamCallRef call;
  std::unique_ptr<server::SnapshotPieces> pieces;
  uint64_t sent = 0;
  bool waiting = false;

  void pump() {
    if (pieces == nullptr || waiting || call->done()) return;
    if (sent == pieces->bytes()) return finish();
    if (call->outbox_bytes() >= kPieceBytes) return;  // on_drained comes back
    waiting = true;
    pieces->next(kPieceBytes, call->executor(),
                 [self = shared_from_this()](absl::StatusOr<std::string> piece) {
                   self->waiting = false;
                   if (self->call->done()) return;
                   if (!piece.ok()) return self->call->finish(to_wire(piece.status()));
                   self->write(*piece);
                   self->pump();
                 });
  }
  void write(std::string_view piece) {
    for (; !piece.empty(); piece.remove_prefix(std::min(kBlobBytes, piece.size()))) {
      const std::string_view blob = piece.substr(0, kBlobBytes);
      sent += blob.size();
      write_blob(blob);
    }
  }
  void write_blob(std::string_view blob) {
    etcdserverpb::SnapshotResponse response;
    response.set_remaining_bytes(pieces->bytes() - sent);
    response.set_blob(blob.data(), blob.size());
    response.set_version(pieces->storage_version());
    call->write(response.SerializeAsString());
  }
  void finish() {
    write_blob(pieces->digest());
    call->finish(absl::OkStatus());
  }
};

class SnapshotSession : public net::StreamSession {
 public:
  SnapshotSession(const Rpc& rpc, net::StreamCallRef call, server::CallContext context)
      : rpc_(rpc), context_(std::move(context)), transfer_(std::make_shared<Transfer>()) {
    if (CallGate::requires_leader(*call)) ticket_ = rpc.leader.watch(call);
    transfer_->call = std::move(call);
  }
  ~SnapshotSession() override { transfer_->pieces.reset(); }

  void on_message(std::string_view) override {
    rpc_.v3.snapshot(context_, [transfer = transfer_](
                                   absl::StatusOr<std::unique_ptr<server::SnapshotPieces>> pieces) {
      if (transfer->call->done()) return;
      if (!pieces.ok()) return transfer->call->finish(to_wire(pieces.status()));
      transfer->pieces = *std::move(pieces);
      transfer->pump();
    });
  }
  void on_half_close() override {}
  void on_drained() override { transfer_->pump(); }

 private:
  const Rpc& rpc_;
  const server::CallContext context_;
  const std::shared_ptr<Transfer> transfer_;  // shared with what it waits for
  LeaderMonitor::Ticket ticket_;
};

}  // namespace

std::unique_ptr<net::StreamSession> open_snapshot(const Rpc& rpc, net::StreamCallRef call) {
  absl::Status status = rpc.gate.admit(*call, OnLearner::served);
  if (status.ok()) {
    auto context = rpc.gate.context(*call);
    if (context.ok())
      return std::make_unique<SnapshotSession>(rpc, std::move(call), *std::move(context));
    status = context.status();
  }
  call->finish(to_wire(status));
  return nullptr;
}

}  // namespace holdfast::rpc
