// A snapshot on its way from one machine to another: its body is read piece by piece on the sender's background executor,
// carried by the network as a stream that may be slow or break, and written to the receiver's disk, where its member then
// takes it over, as peer/snapshot_sender and peer/snapshot_receiver do it. One piece at a time is on its way.
//
// However it ends, short of the sender's death, the sender's member hears of it exactly once; an answer that is lost counts
// as a failure, whatever the receiver did.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "server/snapshot_receiver.h"
#include "server/snapshot_transfer.h"
#include "sim/machine.h"
#include "sim/network.h"

namespace holdfast::sim {

// Shared by what is on its way.
class SnapshotStream : public std::enable_shared_from_this<SnapshotStream> {
 public:
  // `piece_bytes`: of the body, carried at once; more, if that would be very many pieces.
  SnapshotStream(SimScheduler& scheduler, SimNetwork& network, Machine& from, Machine& to,
                 server::OutgoingSnapshot snapshot, size_t piece_bytes);
  // In a task of the sender's.
  void start();
  // The sender's process has ended, or it will not talk to the receiver any more.
  void give_up();
  // The sender's member does not want it any more; hears of its end all the same.
  void cut();
  bool over() const { return over_; }
  MemberId to_member() const { return to_member_; }

 private:
  template <class Act>
  void on_sender(Act act);
  template <class Act>
  void on_receiver(Act act);
  void read();
  void watch();
  void write(std::string piece);
  void complete();
  void answer(env::Instant leaves, UniqueFunction<void()> then);
  void broke();
  void finish(raft::SnapshotStatus status);
  void discard();

  SimScheduler& scheduler_;
  SimNetwork& network_;
  Machine& from_;
  Machine& to_;
  const uint64_t from_start_;
  const uint64_t to_start_;  // 0: it was down
  const MemberId to_member_;
  const size_t piece_bytes_;
  server::OutgoingSnapshot snapshot_;
  std::shared_ptr<server::SnapshotDownload> download_;  // shared with the receiver's tasks; null before the first piece
  uint64_t steps_ = 0;
  bool end_on_its_way_ = false;  // the receiver may complete it, whatever the sender thinks of it by then
  bool over_ = false;
};

}  // namespace holdfast::sim
