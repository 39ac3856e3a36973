#include "peer/inbox.h"

#include <atomic>

#include "peer/codec.h"
#include "raft/codec.h"

namespace holdfast::peer {

namespace {
// etcd's recvBufSize; more than a leader sends unanswered (512 appends in flight, RAL-12).
constexpr size_t kMessagesMax = 4096;
// With 1 MiB a message the count alone would allow gigabytes.
constexpr size_t kBytesMax = 64 * 1024 * 1024;
}  // namespace

// Counted on the transport's thread, raft's thread gives back.
struct Inbox::Backlog {
  std::atomic<size_t> messages{0};
  std::atomic<size_t> bytes{0};
  // The transport's thread:
  std::vector<Task> waiting;
  bool closed = false;
};

size_t footprint(const raft::Message& message) {
  return 128 + message.context.size() + raft::encoded_size(message.entries) +
         (message.snapshot ? message.snapshot->data.size() : 0);
}

Inbox::Inbox(const TransportWorld& world, MemberId remote, PeerSeries& series)
    : world_(world), remote_(remote), series_(series), backlog_(std::make_shared<Backlog>()) {}

Inbox::~Inbox() {
  backlog_->closed = true;
  backlog_->waiting.clear();
}

void Inbox::deliver(std::vector<raft::Message> messages) {
  std::erase_if(messages, [&](const raft::Message& message) {
    // The ids of raft's own storage threads come from nobody else.
    if (is_link_heartbeat(message) || raft::is_local_target(message.from)) return true;
    if (message.to != world_.self.member) {
      world_.log.warn("rejected Raft message to mismatch member",
                      {{"local-member-id", world_.self.member}, {"mismatch-member-id", message.to}});
      return true;
    }
    return false;
  });
  if (messages.empty()) return;
  if (world_.host.is_removed(remote_)) {
    world_.log.warn("rejected Raft message from removed member",
                    {{"local-member-id", world_.self.member}, {"removed-member-id", remote_}});
    return;
  }
  size_t bytes = 0;
  for (const raft::Message& message : messages) bytes += footprint(message);
  const size_t count = messages.size();
  backlog_->messages += count;
  backlog_->bytes += bytes;
  world_.host.receive(std::move(messages), [backlog = backlog_, count, bytes, thread = &world_.thread] {
    const bool was_full = backlog->messages > kMessagesMax / 2 || backlog->bytes > kBytesMax / 2;
    backlog->messages -= count;
    backlog->bytes -= bytes;
    if (!was_full) return;
    thread->post([backlog] {
      if (backlog->closed) return;
      for (Task& resume : std::exchange(backlog->waiting, {})) resume();
    });
  });
}

bool Inbox::full() const { return backlog_->messages > kMessagesMax || backlog_->bytes > kBytesMax; }

void Inbox::when_room(Task resume) { backlog_->waiting.push_back(std::move(resume)); }

}  // namespace holdfast::peer
