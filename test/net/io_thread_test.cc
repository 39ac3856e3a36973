#include "net/io_thread.h"

#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "test/net/fixture.h"

namespace holdfast::net {
namespace {

struct Pool {
  SystemClock clock;
  IoPool pool{clock, 1};
  Pool() { pool.start(); }
  IoThread& io() { return pool.at(0); }
  void run(std::function<void()> f) {
    std::promise<void> done;
    io().post([&] {
      f();
      done.set_value();
    });
    done.get_future().wait();
  }
};

TEST(IoThread, RunsTasksInOrderAndHere) {
  Pool p;
  std::vector<int> order;
  for (int i = 0; i < 1000; ++i) p.io().post([&order, i] { order.push_back(i); });
  bool here = false, inside = false;
  p.run([&] {
    here = p.io().running_here();
    p.io().post([&] { inside = true; });
    EXPECT_FALSE(inside);
  });
  p.run([] {});
  EXPECT_TRUE(here);
  EXPECT_TRUE(inside);
  EXPECT_FALSE(p.io().running_here());
  ASSERT_EQ(order.size(), 1000u);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST(IoThread, TimersFireInOrderOfTime) {
  Pool p;
  std::vector<int> order;
  std::promise<void> done;
  p.io().post([&] {
    env::Instant now = p.clock.now();
    for (int i : {5, 1, 4, 2, 3})
      p.io().post_at(now + std::chrono::milliseconds(i), [&order, i] { order.push_back(i); });
    p.io().post_at(now + std::chrono::milliseconds(6), [&] { done.set_value(); });
  });
  done.get_future().wait();
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3, 4, 5}));
}

TEST(IoThread, ATimerCancelledHereNeverRuns) {
  Pool p;
  bool ran = false;
  std::promise<void> done;
  p.run([&] {
    std::vector<env::TimerId> ids;
    for (int i = 0; i < 100; ++i) ids.push_back(p.io().post_after(std::chrono::microseconds(i), [&] { ran = true; }));
    for (auto id : ids) p.io().cancel(id);
    for (auto id : ids) p.io().cancel(id);  // twice is harmless
    p.io().post_after(std::chrono::milliseconds(5), [&] { done.set_value(); });
  });
  done.get_future().wait();
  EXPECT_FALSE(ran);
}

// The contract of env::Executor: an id made on another thread can be cancelled on the executor for certain.
TEST(IoThread, ATimerMadeElsewhereIsCancelledHere) {
  Pool p;
  std::atomic<int> ran{0};
  for (int i = 0; i < 200; ++i) {
    std::promise<void> go;
    auto gate = go.get_future();
    p.io().post([&] { gate.wait(); });
    env::TimerId id = p.io().post_at(p.clock.now(), [&] { ran.fetch_add(1); });
    // The cancelling task is in the queue behind the timer's making, or overtakes it in the same batch.
    p.io().post([&, id] { p.io().cancel(id); });
    go.set_value();
    p.run([] {});
    (void)ran.exchange(0);
  }
  std::promise<void> done;
  env::TimerId later = p.io().post_after(std::chrono::hours(1), [&] { ran = 1; });
  p.io().cancel(later);
  p.io().post_after(std::chrono::milliseconds(1), [&] { done.set_value(); });
  done.get_future().wait();
  EXPECT_EQ(ran, 0);
}

TEST(IoThread, ManyPostersLoseNothing) {
  Pool p;
  int count = 0;
  std::vector<std::thread> posters;
  for (int t = 0; t < 4; ++t)
    posters.emplace_back([&] {
      for (int i = 0; i < 5000; ++i) p.io().post([&count] { ++count; });
    });
  for (auto& poster : posters) poster.join();
  p.run([] {});
  EXPECT_EQ(count, 20000);
}

TEST(IoThread, TasksAfterTheEndAreDestroyedUnrun) {
  auto token = std::make_shared<int>(0);
  bool ran = false;
  Pool p;
  p.pool.stop();
  p.io().post([token, &ran] { ran = true; });
  p.io().post_after(std::chrono::hours(1), [token, &ran] { ran = true; });
  EXPECT_EQ(token.use_count(), 1);
  EXPECT_FALSE(ran);
}

}  // namespace
}  // namespace holdfast::net
