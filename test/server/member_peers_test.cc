// A member of three whose two peers are the test: what it sends, when, and what becomes of it without their answers.
#include <algorithm>
#include <set>
#include <vector>

#include "membership/member.h"
#include "rpc.pb.h"
#include "server/bootstrap.h"
#include "test/server/member_world.h"
#include "wal/snap_file.h"
#include "wal/wal.h"

namespace holdfast::server {
namespace {

using raft::Message;
using raft::MessageType;
using std::chrono::milliseconds;

// Votes and acknowledges for both, unless told to be silent.
class Phantoms : public NoPeers {
 public:
  explicit Phantoms(MemberWorld& world) : world_(world) {}

  void send(std::vector<Message> messages) override {
    for (Message& m : messages) {
      if (on_send) on_send(m);
      answer(m);
      sent.push_back(std::move(m));
    }
  }
  env::Instant active_since(MemberId) const override { return {connected ? 1 : 0}; }

  size_t count(MessageType type) const {
    return static_cast<size_t>(std::count_if(sent.begin(), sent.end(), [&](const Message& m) { return m.type == type; }));
  }

  bool connected = false;  // they tell nobody their version: whoever is connected is waited for
  bool silent = false;
  bool acknowledge = true;
  std::function<void(const Message&)> on_send;
  std::vector<Message> sent;

 private:
  void answer(const Message& m) {
    Message reply;
    switch (m.type) {
      case MessageType::pre_vote: reply.type = MessageType::pre_vote_resp; break;
      case MessageType::vote: reply.type = MessageType::vote_resp; break;
      case MessageType::heartbeat: reply.type = MessageType::heartbeat_resp; break;
      case MessageType::app: reply.type = MessageType::app_resp; break;
      default: return;
    }
    if (silent || (m.type == MessageType::app && !acknowledge)) return;
    reply.from = m.to;
    reply.to = m.from;
    reply.term = m.term;
    reply.context = m.context;
    if (m.type == MessageType::app) reply.index = m.index + m.entries.size();
    world_.member->receive(std::move(reply));
  }

  MemberWorld& world_;
};

class MemberPeers : public testing::Test {
 protected:
  void prepare(uint64_t seed) {
    world.emplace(seed);
    world->config.initial_cluster = {{"one", {"http://one"}}, {"two", {"http://two"}}, {"three", {"http://three"}}};
    phantoms.emplace(*world);
    world->peers = &*phantoms;
  }
  void lead() {
    prepare(1);
    world->boot();
    ASSERT_TRUE(leads());
  }
  bool leads() { return world->member->info().leader() == world->member->info().member_id(); }
  void put(size_t bytes) {
    etcdserverpb::PutRequest request;
    request.set_key("k");
    request.set_value(std::string(bytes, 'v'));
    world->member->door().propose(world->context(), Command::put, request.SerializeAsString(),
                                  [](std::unique_ptr<apply::Result>) {});
  }
  // In intervals of heartbeats, from the start to the first question for votes.
  int64_t ticks_to_campaign(uint64_t seed, bool advance, bool connected) {
    prepare(seed);
    phantoms->connected = connected;
    phantoms->silent = true;
    world->config.initial_election_tick_advance = advance;
    world->start();
    const env::Instant began = world->clock.now();
    EXPECT_TRUE(world->run_until([this] { return phantoms->count(MessageType::pre_vote) > 0; }));
    return (world->clock.now() - began) / world->config.heartbeat_interval;
  }

  std::optional<MemberWorld> world;
  std::optional<Phantoms> phantoms;
};

// RAFT-27: the leader of the two others hears of an entry only when a crash can't take it away any more.
TEST_F(MemberPeers, AcknowledgesWhatIsOnTheDisk) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    prepare(seed);
    phantoms->silent = true;
    bool acknowledged = false;
    phantoms->on_send = [&](const Message& m) { acknowledged |= m.type == MessageType::app_resp && !m.reject; };
    world->start();
    const MemberId self = world->member->info().member_id();
    const auto voters = world->member->info().cluster()->voters();
    // What the bootstrap wrote: three conf changes of term 1.
    Message append;
    append.type = MessageType::app;
    append.from = voters[0] == self ? voters[1] : voters[0];
    append.to = self;
    append.term = Term(2);
    append.log_term = Term(1);
    append.index = Index(3);
    append.entries = {raft::Entry{.term = Term(2), .index = Index(4), .data = SharedBytes(std::string())}};
    world->member->receive(append);
    ASSERT_TRUE(world->run_until([&] { return acknowledged; }));
    world->crash();
    sim::SimProcess reader(world->scheduler, world->clock, sim::SimProcess::Options{.seed = seed});
    const auto log = reopen_log({world->disk, world->clock, world->log, world->metrics, reader.faults()}, world->config);
    ASSERT_TRUE(log.ok()) << log.status();
    EXPECT_EQ(log->contents.entries.back().index, Index(4)) << "seed " << seed;
  }
}

// RAFT-27: nobody is asked for a vote in a term that a crash could take away, and that would begin a second time.
TEST_F(MemberPeers, AsksForVotesWhenItsOwnIsOnTheDisk) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    prepare(seed);
    Term asked;
    phantoms->on_send = [&](const Message& m) {
      if (m.type == MessageType::vote) asked = std::max(asked, m.term);
    };
    world->start();
    ASSERT_TRUE(world->run_until([&] { return asked > Term(0); }));
    world->crash();
    sim::SimProcess reader(world->scheduler, world->clock, sim::SimProcess::Options{.seed = seed});
    const auto log = reopen_log({world->disk, world->clock, world->log, world->metrics, reader.faults()}, world->config);
    ASSERT_TRUE(log.ok()) << log.status();
    EXPECT_GE(log->contents.hard_state.term, asked) << "seed " << seed;
  }
}

// RAFT-28
TEST_F(MemberPeers, ALateHeartbeatIsCounted) {
  lead();
  const auto late = [this] { return world->metrics.value("etcd_server_heartbeat_send_failures_total{}").value_or(-1); };
  world->run_for(10 * world->config.heartbeat_interval);
  EXPECT_EQ(late(), 0);
  world->process->pause();
  world->run_for(3 * world->config.heartbeat_interval);
  world->process->resume();
  world->run_for(3 * world->config.heartbeat_interval);
  EXPECT_EQ(late(), 1);
}

// RAFT-28: there is nobody to be late for.
TEST_F(MemberPeers, AloneThereIsNoHeartbeat) {
  world.emplace(1);
  world->boot();
  world->process->pause();
  world->run_for(3 * world->config.heartbeat_interval);
  world->process->resume();
  world->run_for(3 * world->config.heartbeat_interval);
  EXPECT_EQ(world->metrics.value("etcd_server_heartbeat_send_failures_total{}"), 0);
}

// OPS-09: with both peers connected all ticks but two of the election time-out are skipped, once.
TEST_F(MemberPeers, ConnectedMembersSkipElectionTicks) {
  std::set<int64_t> skipped, waited, cut_off;
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    skipped.insert(ticks_to_campaign(seed, true, true));
    waited.insert(ticks_to_campaign(seed, false, true));
    cut_off.insert(ticks_to_campaign(seed, true, false));
  }
  const int64_t timeout = world->config.election_ticks;
  EXPECT_GE(*skipped.begin(), 1);
  EXPECT_LT(*skipped.begin(), timeout);
  EXPECT_GE(*waited.begin(), timeout - 1);
  EXPECT_GE(*cut_off.begin(), timeout - 1);
}

// OPS-10: votes are asked for twice, a leader that hears nobody steps down, and what is under way to a follower is bounded
// in messages and in the size of each.
TEST_F(MemberPeers, RaftIsSetUpAsInEtcd) {
  lead();
  EXPECT_GT(phantoms->count(MessageType::pre_vote), 0u);
  EXPECT_LT(phantoms->sent.front().term, Term(3));
  phantoms->acknowledge = false;
  phantoms->sent.clear();
  for (int i = 0; i < 5; ++i) put(900'000);
  for (int i = 0; i < 600; ++i) {
    put(1);
    world->run_for(std::chrono::microseconds(500));
  }
  for (const Message& m : phantoms->sent) {
    if (m.entries.size() < 2) continue;
    size_t bytes = 0;
    for (const raft::Entry& entry : m.entries) bytes += entry.data.size();
    EXPECT_LE(bytes, 1u << 20);
  }
  const auto voters = world->member->info().cluster()->voters();
  for (const MemberId id : voters) {
    const auto appends = std::count_if(phantoms->sent.begin(), phantoms->sent.end(), [&](const Message& m) {
      return m.type == MessageType::app && m.to == id && !m.entries.empty();
    });
    if (id != world->member->info().member_id()) EXPECT_EQ(appends, 512);
  }
  phantoms->silent = true;
  EXPECT_TRUE(world->run_until([this] { return world->member->info().leader() == raft::kNone; }));
}

// RD-01: its commit index is not synced with every entry, so an only voter may know less than its clients when it leads again.
TEST_F(MemberPeers, AnOnlyVoterTellsALearnerWhatItsClientsKnow) {
  prepare(1);
  world->config.initial_cluster = {{"one", {"http://one"}}};
  world->boot();
  for (int i = 0; i < 20; ++i) put(10);
  world->run_for(milliseconds(500));
  const Index acknowledged = world->member->info().committed();
  world->crash();
  world->start();
  ASSERT_TRUE(world->run_until([this] { return leads(); }));
  ASSERT_LT(world->member->info().committed(), acknowledged);
  const auto ask = [this] {
    Message question;
    question.type = MessageType::read_index;
    question.from = MemberId(77);
    question.to = world->member->info().member_id();
    question.entries = {raft::Entry{.data = SharedBytes(std::string("question"))}};
    world->member->receive(std::move(question));
  };
  ask();
  world->run_for(milliseconds(500));
  ask();
  world->run_for(milliseconds(500));
  ASSERT_GE(phantoms->count(MessageType::read_index_resp), 1u);
  for (const Message& m : phantoms->sent)
    if (m.type == MessageType::read_index_resp) EXPECT_GE(m.index, acknowledged);
}

// VD-18: older members find the membership in the .snap file; we start from the backend without it.
TEST_F(MemberPeers, StartsWithoutSnapshotFiles) {
  world.emplace(1);
  world->boot();
  for (int i = 0; i < 400; ++i) put(10);
  const std::string folder = world->config.snap_dir();
  const auto snapshots = [&] {
    auto names = *world->disk.list(folder);
    std::erase_if(names, [](const std::string& name) { return !name.ends_with(".snap"); });
    return names;
  };
  ASSERT_TRUE(world->run_until([&] { return !snapshots().empty(); }));
  const auto decoded = wal::decode_snapshot_file(*env::read_file(world->disk, folder + "/" + snapshots().back(), 1 << 20));
  ASSERT_TRUE(decoded.ok());
  EXPECT_NE(decoded->data.view().find("/0/members/"), std::string_view::npos);
  world->stop();
  // WAL-15: the log notes each, so that a 3.6 can start from it.
  env::NoFaults faults;
  const auto noted = wal::valid_snapshot_entries(
      {world->disk, world->clock, world->log, world->metrics, faults}, world->config.wal_path());
  ASSERT_TRUE(noted.ok()) << noted.status();
  for (const std::string& name : snapshots()) {
    const auto file = wal::decode_snapshot_file(*env::read_file(world->disk, folder + "/" + name, 1 << 20));
    ASSERT_TRUE(file.ok());
    const wal::SnapshotRecord* record = nullptr;
    for (const wal::SnapshotRecord& r : *noted)
      if (r.index == file->metadata.index) record = &r;
    ASSERT_NE(record, nullptr) << name;
    EXPECT_EQ(record->term, file->metadata.term);
    ASSERT_TRUE(record->conf_state);
    EXPECT_EQ(record->conf_state->voters, file->metadata.conf_state.voters);
  }
  for (const std::string& name : snapshots()) ASSERT_TRUE(world->disk.remove(folder + "/" + name).ok());
  world->boot();
  EXPECT_EQ(world->member->info().cluster()->members().size(), 1u);
}

// TRP-60, VD-01
TEST_F(MemberPeers, DataOfANewerSchemaIsRefused) {
  world.emplace(1);
  world->boot();
  world->stop();
  auto& meta = world->image->state->buckets[static_cast<size_t>(backend::Bucket::meta)];
  meta["storageVersion"] = "3.8.0";
  world->start();
  EXPECT_EQ(message(world->refused), "version \"3.8.0\" is not supported");
  meta["storageVersion"] = "3.6.0";
  world->boot();
}

}  // namespace
}  // namespace holdfast::server
