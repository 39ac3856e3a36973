// What becomes of requests that a member can't carry out, or not in time: limits, deadlines, errors letter for letter.
#include "rpc.pb.h"
#include "test/server/member_world.h"

namespace holdfast::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class MemberRequests : public testing::Test {
 protected:
  MemberRequests() {
    config().snapshot_count = 10'000;
    config().wal_segment_bytes = 64'000'000;
  }
  MemberConfig& config() { return world_.config; }
  // One of three members, whose others nobody hears of: it has no leader.
  void start_alone_of_three() {
    config().initial_cluster = {{"one", {"http://one"}}, {"two", {"http://two"}}, {"three", {"http://three"}}};
    world_.start();
  }
  struct Answer {
    std::string text;  // empty: none yet; "ok"
    env::Duration after{};
  };
  std::shared_ptr<Answer> propose(Command command, std::string bytes, env::Instant deadline = kNoDeadline) {
    auto answer = std::make_shared<Answer>();
    CallContext context = world_.context();
    context.deadline = deadline;
    const env::Instant began = world_.clock.now();
    world_.member->door().propose(context, command, bytes, [this, answer, began](std::unique_ptr<apply::Result> result) {
      *answer = {result->status.ok() ? "ok" : std::string(message(result->status)), world_.clock.now() - began};
    });
    return answer;
  }
  std::shared_ptr<Answer> put(size_t value_bytes = 1, env::Instant deadline = kNoDeadline) {
    etcdserverpb::PutRequest request;
    request.set_key("k");
    request.set_value(std::string(value_bytes, 'v'));
    return propose(Command::put, request.SerializeAsString(), deadline);
  }
  std::shared_ptr<Answer> read() {
    auto answer = std::make_shared<Answer>();
    const env::Instant began = world_.clock.now();
    world_.member->door().wait_read(world_.context(), [this, answer, began](absl::Status status) {
      *answer = {status.ok() ? "ok" : std::string(message(status)), world_.clock.now() - began};
    });
    return answer;
  }
  void wait_for(const Answer& answer) {
    EXPECT_TRUE(world_.run_until([&] { return !answer.text.empty(); }));
  }
  double metric(const std::string& name) { return world_.metrics.value(name + "{}").value_or(-1); }

  MemberWorld world_{1};
};

// PUT-24
TEST(MemberConfigDefaults, LimitsOfRaftAreEtcds) {
  EXPECT_EQ(MemberConfig{}.raft_max_size_per_message, 1u << 20);
  EXPECT_EQ(MemberConfig{}.raft_max_inflight_messages, 512);
  EXPECT_TRUE(MemberConfig{}.pre_vote);
}

// OPS-09: nobody's silence is waited for, also before the first entries have said that there is nobody else.
TEST(MemberAlone, LeadsAtOnce) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    MemberWorld world(seed);
    for (int start = 0; start < 2; ++start) {
      const env::Instant began = world.clock.now();
      world.boot();
      EXPECT_LT(world.clock.now() - began, world.config.heartbeat_interval) << "of virtual time; seed " << seed;
      world.crash();
    }
  }
}

// PUT-06, ERR-25
TEST_F(MemberRequests, TooLarge) {
  config().max_request_bytes = 1000;
  world_.boot();
  // The limit is that of the entry: the command, its tag, and the header.
  const auto fits = put(900);
  const auto too_large = put(1000);
  wait_for(*fits);
  wait_for(*too_large);
  EXPECT_EQ(fits->text, "ok");
  EXPECT_EQ(too_large->text, "etcdserver: request is too large");
}

// PUT-02, PUT-03, ERR-26, VD-17: what is committed runs away from what is applied, because the backend's disk is stuck.
TEST_F(MemberRequests, TooManyWhileApplyIsBehind) {
  config().backend_batch_limit = 1;
  config().priority_requests = true;
  world_.boot();
  world_.commit_time = std::chrono::hours(24);
  std::vector<std::shared_ptr<Answer>> taken;
  for (int i = 0; i < 7000; ++i) {
    taken.push_back(put());
    if (i % 100 == 0) world_.run_for(milliseconds(20));
  }
  world_.run_for(milliseconds(500));
  EXPECT_EQ(taken.back()->text, "etcdserver: too many requests");
  EXPECT_NE(taken.front()->text, "etcdserver: too many requests");
  const auto refused = put();
  const auto priority = propose(Command::lease_revoke, "\x08\x05");
  world_.run_for(milliseconds(100));
  EXPECT_EQ(refused->text, "etcdserver: too many requests");
  EXPECT_EQ(priority->text, "") << "taken, and waits as those before it";
}

// PUT-07, PUT-09, PUT-10, PUT-12, PUT-25, ERR-49: 5 s and two election timeouts, unless the client gives up before.
TEST_F(MemberRequests, TimeOutWithoutLeader) {
  start_alone_of_three();
  world_.run_for(seconds(1));
  const double before = metric("etcd_server_proposals_pending");  // the member's own
  const auto patient = put();
  const auto hurried = put(1, world_.clock.now() + seconds(1));
  world_.run_for(milliseconds(100));
  EXPECT_EQ(metric("etcd_server_proposals_pending"), before + 2);
  wait_for(*hurried);
  EXPECT_EQ(hurried->text, "etcdserver: request timed out");
  EXPECT_GE(hurried->after, seconds(1));
  EXPECT_LT(hurried->after, seconds(2));
  EXPECT_EQ(patient->text, "");
  wait_for(*patient);
  EXPECT_EQ(patient->text, "etcdserver: request timed out");
  EXPECT_GE(patient->after, seconds(7));
  EXPECT_LT(patient->after, seconds(8));
  EXPECT_LE(metric("etcd_server_proposals_pending"), 1) << "but for the member's own";
  EXPECT_GE(metric("etcd_server_proposals_failed_total"), 2);
  EXPECT_EQ(metric("etcd_server_has_leader"), 0);
}

// RD-05
TEST_F(MemberRequests, ReadsTimeOutWithoutLeader) {
  start_alone_of_three();
  world_.run_for(seconds(1));
  const auto answer = read();
  wait_for(*answer);
  EXPECT_NE(answer->text, "ok");
  EXPECT_LT(answer->after, seconds(8));
}

// PUT-11, ERR-48
TEST_F(MemberRequests, StoppedWhileTheyWait) {
  start_alone_of_three();
  world_.run_for(seconds(1));
  const auto write = put();
  const auto linearizable = read();
  world_.run_for(milliseconds(100));
  world_.member->stop([] {});
  wait_for(*write);
  EXPECT_EQ(write->text, "etcdserver: server stopped");
  wait_for(*linearizable);
  EXPECT_EQ(linearizable->text, "etcdserver: server stopped");
  const auto late = put();
  wait_for(*late);
  EXPECT_EQ(late->text, "etcdserver: server stopped");
}

// RD-01, RD-06, PUT-18: a read sees what was acknowledged before it began, however many there are.
TEST_F(MemberRequests, ReadsWaitForWhatIsCommitted) {
  world_.boot();
  for (int round = 0; round < 20; ++round) {
    const auto write = put();
    wait_for(*write);
    const int64_t revision = world_.member->info().store()->current_revision().value;
    std::vector<std::shared_ptr<Answer>> reads;
    for (int i = 0; i < 5; ++i) reads.push_back(read());
    for (const auto& answer : reads) {
      wait_for(*answer);
      EXPECT_EQ(answer->text, "ok");
    }
    EXPECT_EQ(world_.member->info().store()->current_revision().value, revision);
    EXPECT_EQ(revision, round + 2);
  }
}

}  // namespace
}  // namespace holdfast::server
