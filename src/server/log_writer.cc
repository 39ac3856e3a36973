#include "server/log_writer.h"

#include <span>

#include "base/errors.h"

namespace holdfast::server {

LogWriter::LogWriter(Parts parts, MemberId self) : parts_(parts), self_(self) {}

void LogWriter::append(raft::Message order) {
  parts_.executor.post([this, order = std::move(order)]() mutable {
    if (stopped_) return;
    orders_.push_back(std::move(order));
    if (scheduled_) return;
    scheduled_ = true;
    // A task of its own: orders that are queued behind this one join the write.
    parts_.executor.post([this] {
      scheduled_ = false;
      flush();
    });
  });
}

void LogWriter::stop() {
  flush();
  stopped_ = true;
  require(parts_.wal.close());
}

void LogWriter::require(const absl::Status& status) {
  if (!status.ok()) parts_.process.die(message(status));
}

void LogWriter::flush() {
  std::vector<raft::Message> orders = std::exchange(orders_, {});
  if (orders.empty() || stopped_) return;
  size_t begin = 0;
  while (begin < orders.size()) {
    // An order with a snapshot stands alone: the snapshot must be on the disk before the log speaks of it.
    if (orders[begin].has_snapshot()) {
      install(orders[begin++]);
      continue;
    }
    size_t end = begin + 1;
    while (end < orders.size() && !orders[end].has_snapshot()) ++end;
    write(std::span(orders).subspan(begin, end - begin));
    begin = end;
  }
  deliver(std::move(orders));
}

namespace {
raft::HardState state_of(const raft::Message& order) { return {order.term, order.vote, order.commit}; }

// The entries of the orders one behind the other, as far as they follow each other: when a new leader overwrites what an
// earlier order appended, the log must see both, in two writes.
size_t consecutive(std::span<const raft::Message> orders, std::vector<raft::Entry>& entries) {
  size_t taken = 0;
  for (; taken < orders.size(); ++taken) {
    const raft::Entries& more = orders[taken].entries;
    if (more.empty()) continue;
    if (!entries.empty() && more.front().index != entries.back().index + 1) break;
    entries.insert(entries.end(), more.begin(), more.end());
  }
  return taken;
}
}  // namespace

void LogWriter::write(std::span<const raft::Message> orders) {
  while (!orders.empty()) {
    std::vector<raft::Entry> joined;
    std::span<const raft::Entry> entries;
    size_t taken = 1;
    if (orders.size() == 1) {
      entries = {orders[0].entries.begin(), orders[0].entries.size()};
    } else {
      taken = consecutive(orders, joined);
      entries = joined;
    }
    raft::HardState state;
    for (const raft::Message& order : orders.first(taken))
      if (!state_of(order).empty()) state = state_of(order);
    require(parts_.wal.save(state, entries));
    orders = orders.subspan(taken);
  }
  if (parts_.wal.wants_segment())
    parts_.background.post([preparer = parts_.wal.preparer()] {
      // A failure shows again, and counts, when the segment is needed.
      (void)preparer->prepare();
    });
}

void LogWriter::install(const raft::Message& order) {
  const raft::SnapshotMetadata& metadata = order.snapshot->metadata;
  require(parts_.snapshotter.save_snap(*order.snapshot));
  require(parts_.wal.save_received({metadata.index, metadata.term, metadata.conf_state}, state_of(order),
                                   {order.entries.begin(), order.entries.size()}));
  parts_.wal.release_lock_to(metadata.index);
  received_ = metadata.index;
  if (install_) install_(order.snapshot);
}

void LogWriter::release_databases(Index index) {
  parts_.executor.post([this, index] {
    if (!stopped_) (void)parts_.snapshotter.release_databases(index);
  });
}

namespace {
// The last acknowledgement of a batch says all that the ones before it said (RAFT-26). Refusals say something of their
// own.
void keep_last_acknowledgement(std::vector<raft::Message>& outgoing) {
  const auto acknowledges = [](const raft::Message& m) {
    return m.type == raft::MessageType::app_resp && !m.reject;
  };
  const raft::Message* last = nullptr;
  for (const raft::Message& m : outgoing)
    if (acknowledges(m)) last = &m;
  if (last == nullptr) return;
  std::erase_if(outgoing, [&, to = last->to, term = last->term, last](const raft::Message& m) {
    return &m < last && acknowledges(m) && m.to == to && m.term == term;
  });
}
}  // namespace

void LogWriter::deliver(std::vector<raft::Message> orders) {
  std::vector<raft::Message> outgoing;
  bool for_raft = false;
  for (raft::Message& order : orders) {
    for (raft::Message& response : order.responses)
      if (response.to != self_) outgoing.push_back(std::move(response));
    std::erase_if(order.responses, [this](const raft::Message& m) { return m.to != self_; });
    for_raft = for_raft || !order.responses.empty() || !order.entries.empty();
  }
  keep_last_acknowledgement(outgoing);
  if (!outgoing.empty()) parts_.peers.send(std::move(outgoing));
  if (!for_raft) return;
  parts_.raft.executor().post([raft = &parts_.raft, orders = std::move(orders)]() mutable {
    for (raft::Message& order : orders) raft->on_append_done(std::move(order));
  });
}

void LogWriter::save_snapshot(raft::Snapshot snapshot, Task done) {
  parts_.executor.post([this, snapshot = std::move(snapshot), done = std::move(done)]() mutable {
    if (stopped_) return;
    flush();
    const raft::SnapshotMetadata& metadata = snapshot.metadata;
    if (metadata.index <= received_) {
      done();
      return;
    }
    require(parts_.snapshotter.save_snap(snapshot));
    require(parts_.wal.save_snapshot({metadata.index, metadata.term, metadata.conf_state}));
    parts_.wal.release_lock_to(metadata.index);
    (void)parts_.snapshotter.release_databases(metadata.index);
    parts_.log.info("saved snapshot to disk", {{"snapshot-index", metadata.index}});
    done();
  });
}

}  // namespace holdfast::server
