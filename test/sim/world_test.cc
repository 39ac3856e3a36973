// Time, processes and the network of the simulator: the same seed is the same run, and faults do what they say.
#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "sim/network.h"
#include "sim/process.h"
#include "sim/scheduler.h"
#include "sim/task_queue.h"

namespace holdfast::sim {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(SimScheduler, InOrderOfTime) {
  SimScheduler scheduler(1);
  std::string order;
  scheduler.after(milliseconds(3), [&] { order += 'c'; });
  scheduler.after(milliseconds(1), [&] {
    order += 'a';
    scheduler.after(milliseconds(1), [&] { order += 'b'; });
  });
  const EventId cancelled = scheduler.after(milliseconds(2), [&] { order += 'x'; });
  scheduler.cancel(cancelled);
  scheduler.run_until(env::Instant{0} + seconds(1));
  EXPECT_EQ(order, "abc");
  EXPECT_EQ(scheduler.now(), env::Instant{0} + seconds(1));
}

TEST(SimScheduler, TiesAreDrawnFromTheSeed) {
  const auto run = [](uint64_t seed) {
    SimScheduler scheduler(seed);
    std::string order;
    for (char c = 'a'; c <= 'j'; ++c) scheduler.at(env::Instant{5}, [&order, c] { order += c; });
    while (scheduler.run_one()) {
    }
    return order;
  };
  EXPECT_EQ(run(1), run(1));
  bool differs = false;
  for (uint64_t seed = 2; seed < 6; ++seed) differs |= run(seed) != run(1);
  EXPECT_TRUE(differs);
}

TEST(SimScheduler, NearAndFarCancelledOrNot) {
  SimScheduler scheduler(1);
  Random random(1);
  struct Event {
    EventId id;
    int64_t when;
    bool over = false;
  };
  std::vector<Event> events(1'000);
  std::vector<int64_t> ran, expected;
  for (Event& event : events) {
    event.when = scheduler.now().nanoseconds + random.between(0, 3'000'000'000);
    event.id = scheduler.at(env::Instant{event.when}, [&] {
      ran.push_back(scheduler.now().nanoseconds);
      event.over = true;
    });
    Event& other = events[random.below(static_cast<uint64_t>(&event - events.data()) + 1)];
    // Cancelling what has happened, or was cancelled, changes nothing.
    scheduler.cancel(other.id);
    if (!std::exchange(other.over, true)) other.when = -1;
    scheduler.run_until(scheduler.now() + milliseconds(static_cast<int64_t>(random.below(20))));
  }
  while (scheduler.run_one()) {
  }
  for (const Event& event : events)
    if (event.when >= 0) expected.push_back(event.when);
  std::sort(expected.begin(), expected.end());
  EXPECT_GT(expected.size(), 300u);
  EXPECT_LT(expected.size(), events.size());
  EXPECT_EQ(ran, expected);
}

TEST(TaskQueue, ByInstantThenInTheOrderOfPosting) {
  TaskQueue queue;
  Random random(1);
  std::multimap<int64_t, int> expected;
  int taken = -1;
  for (int i = 0; i < 5'000; ++i) {
    const int64_t ready = random.between(0, 20) + i / 10;
    queue.insert(ready, [&, i] { taken = i; });
    expected.emplace(ready, i);
    // Grows to some hundreds, and is emptied now and then.
    const size_t keep = i % 1'000 == 999 ? 0 : 300;
    while (queue.size() > keep) {
      ASSERT_EQ(queue.first_ready(), expected.begin()->first);
      queue.take()();
      ASSERT_EQ(taken, expected.begin()->second);
      expected.erase(expected.begin());
    }
  }
  EXPECT_TRUE(queue.empty());
}

struct World {
  explicit World(uint64_t seed = 1) : scheduler(seed), clock(scheduler) {}
  SimScheduler scheduler;
  SimClock clock;
};

TEST(SimProcess, AnExecutorKeepsItsOrder) {
  World world;
  SimProcess process(world.scheduler, world.clock, {});
  SimExecutor& one = process.add_executor("one");
  std::vector<int> order;
  for (int i = 0; i < 50; ++i) one.post([&order, i] { order.push_back(i); });
  world.scheduler.run_until(env::Instant{0} + seconds(1));
  ASSERT_EQ(order.size(), 50u);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST(SimProcess, NothingRunsAfterDeath) {
  World world;
  SimProcess process(world.scheduler, world.clock, {});
  SimExecutor& one = process.add_executor("one");
  SimExecutor& two = process.add_executor("two");
  std::string last_words;
  process.on_death([&](std::string message) { last_words = std::move(message); });
  bool after = false;
  one.post([&] { process.die("no space"); });
  one.post([&] { after = true; });
  two.post_at(world.clock.now() + seconds(1), [&] { after = true; });
  world.scheduler.run_until(env::Instant{0} + seconds(5));
  EXPECT_FALSE(process.alive());
  EXPECT_FALSE(after);
  EXPECT_EQ(last_words, "no space");
}

TEST(SimProcess, APauseStopsTasksButNotTime) {
  World world;
  SimProcess process(world.scheduler, world.clock, {});
  SimExecutor& one = process.add_executor("one");
  env::Instant ran{-1};
  one.post_at(world.clock.now() + seconds(1), [&] { ran = world.scheduler.now(); });
  process.pause();
  world.scheduler.run_until(env::Instant{0} + seconds(10));
  EXPECT_EQ(ran, env::Instant{-1});
  process.resume();
  world.scheduler.run_until(env::Instant{0} + seconds(11));
  EXPECT_GE(ran, env::Instant{0} + seconds(10));
}

TEST(SimClock, RatesAndJumps) {
  World world;
  SimProcess process(world.scheduler, world.clock, {});
  SimExecutor& one = process.add_executor("one");
  world.clock.set_rate(2'000'000);  // twice as fast
  env::Instant ran{-1};
  one.post_at(world.clock.now() + seconds(10), [&] { ran = world.scheduler.now(); });
  world.scheduler.run_until(env::Instant{0} + milliseconds(4'900));
  EXPECT_EQ(ran, env::Instant{-1});
  world.scheduler.run_until(env::Instant{0} + milliseconds(5'100));
  EXPECT_GE(ran, env::Instant{0} + seconds(5));
  const env::Instant before = world.clock.now();
  world.clock.jump(seconds(100));
  EXPECT_GE(world.clock.now(), before + seconds(100));
  const int64_t wall = world.clock.unix_nanoseconds();
  world.clock.jump_wall(-seconds(50));
  EXPECT_LT(world.clock.unix_nanoseconds(), wall);
}

raft::Message message(uint64_t from, uint64_t to, uint64_t index = 0) {
  raft::Message m;
  m.type = raft::MessageType::heartbeat;
  m.from = MemberId(from);
  m.to = MemberId(to);
  m.commit = Index(index);
  return m;
}

struct Net {
  explicit Net(uint64_t seed = 1) : scheduler(seed), network(scheduler) {
    for (uint64_t id : {1, 2})
      network.attach(MemberId(id), Address{static_cast<uint32_t>(id)}, {[this](raft::Message m) { got.push_back(m.commit.value); },
                                    [this](MemberId) { ++unreachable; }});
  }
  void send(int n) {
    for (int i = 0; i < n; ++i) network.send(Address{1}, message(1, 2, static_cast<uint64_t>(i)), scheduler.now());
    scheduler.run_until(scheduler.now() + seconds(60));
  }
  SimScheduler scheduler;
  SimNetwork network;
  std::vector<uint64_t> got;
  int unreachable = 0;
};

TEST(SimNetwork, DeliversInOrder) {
  Net net;
  net.send(100);
  EXPECT_EQ(net.got.size(), 100u);
  EXPECT_TRUE(std::is_sorted(net.got.begin(), net.got.end()));
}

// A task is ahead of the world: what it would have sent after its process ended, it has not sent.
TEST(SimNetwork, NothingLeavesAProcessThatHasEnded) {
  Net net;
  for (uint64_t after : {4, 5, 6})
    net.network.send(Address{1}, message(1, 2, after), net.scheduler.now() + milliseconds(after));
  net.network.detach(MemberId(1), net.scheduler.now() + milliseconds(5));
  net.scheduler.run_until(net.scheduler.now() + seconds(1));
  EXPECT_EQ(net.got, (std::vector<uint64_t>{4, 5}));
}

TEST(SimNetwork, LosesAndReports) {
  Net net;
  net.network.set_quality({.loss_ppm = 500'000, .report_ppm = 1'000'000});
  net.send(1000);
  EXPECT_GT(net.got.size(), 300u);
  EXPECT_LT(net.got.size(), 700u);
  EXPECT_EQ(net.network.counts().lost + net.got.size(), 1000u);
  EXPECT_GT(net.unreachable, 0);
}

TEST(SimNetwork, DuplicatesAndReorders) {
  Net net;
  net.network.set_quality({.duplicate_ppm = 200'000, .reorder_ppm = 300'000});
  net.send(1000);
  EXPECT_GT(net.got.size(), 1000u);
  EXPECT_FALSE(std::is_sorted(net.got.begin(), net.got.end()));
}

TEST(SimNetwork, BlocksOneWay) {
  Net net;
  net.network.block(Address{1}, Address{2});
  net.send(5);
  EXPECT_TRUE(net.got.empty());
  net.network.send(Address{2}, message(2, 1), net.scheduler.now());
  net.scheduler.run_until(net.scheduler.now() + seconds(1));
  EXPECT_EQ(net.got.size(), 1u);
  net.network.heal();
  net.send(5);
  EXPECT_EQ(net.got.size(), 6u);
}

TEST(SimNetwork, StreamsArriveOrBreak) {
  Net net;
  int arrived = 0;
  int broken = 0;
  const auto carry = [&](uint64_t bytes) {
    net.network.carry(Address{1}, Address{2}, bytes, net.scheduler.now(), [&] { ++arrived; }, [&] { ++broken; });
  };
  carry(1000);
  net.scheduler.run_until(net.scheduler.now() + seconds(1));
  EXPECT_EQ(arrived, 1);
  net.network.block(Address{1}, Address{2});
  carry(1000);
  net.scheduler.run_until(net.scheduler.now() + seconds(10));
  EXPECT_EQ(broken, 1);
  net.network.unblock(Address{1}, Address{2});
  net.network.set_quality({.snapshot_bytes_per_second = 1'000});
  carry(10'000);
  net.scheduler.run_until(net.scheduler.now() + seconds(9));
  EXPECT_EQ(arrived, 1);
  net.scheduler.run_until(net.scheduler.now() + seconds(2));
  EXPECT_EQ(arrived, 2);
  carry(10'000);
  net.network.heal();  // a new connection
  net.scheduler.run_until(net.scheduler.now() + seconds(20));
  EXPECT_EQ(arrived, 2);
  EXPECT_EQ(broken, 2);
  EXPECT_EQ(net.network.counts().broken, 2u);
}

TEST(SimNetwork, AFullLinkRefuses) {
  Net net;
  net.send(static_cast<int>(kLinkMessagesMax) + 100);
  EXPECT_EQ(net.network.counts().refused, 100u);
  EXPECT_EQ(net.network.fullest_link(), kLinkMessagesMax);
}

}  // namespace
}  // namespace holdfast::sim
