#include "os/thread_executor.h"

#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "os/system_clock.h"

namespace holdfast::os {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

class ThreadExecutorTest : public ::testing::Test {
 protected:
  // Returns when everything posted so far has run.
  void drain() {
    std::promise<void> done;
    executor_.post([&done] { done.set_value(); });
    done.get_future().wait();
  }

  SystemClock clock_;
  ThreadExecutor executor_{"test-executor", clock_};
};

TEST_F(ThreadExecutorTest, RunsTasksInOrderOnItsOwnThread) {
  std::vector<int> order;
  bool here = false;
  for (int i = 0; i < 1000; ++i) executor_.post([&order, i] { order.push_back(i); });
  executor_.post([&] { here = executor_.running_here(); });
  drain();
  ASSERT_EQ(order.size(), 1000u);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(order[i], i);
  EXPECT_TRUE(here);
  EXPECT_FALSE(executor_.running_here());
}

TEST_F(ThreadExecutorTest, PostFromATaskRunsAfterTheTask) {
  std::vector<int> order;
  std::promise<void> done;
  executor_.post([&] {
    executor_.post([&] {
      order.push_back(2);
      done.set_value();
    });
    order.push_back(1);
  });
  done.get_future().wait();
  EXPECT_EQ(order, (std::vector<int>{1, 2}));
}

TEST_F(ThreadExecutorTest, KeepsTheOrderOfEachPoster) {
  constexpr int kPosters = 4;
  constexpr int kTasks = 20'000;
  std::vector<int> next(kPosters, 0);
  int out_of_order = 0;
  std::vector<std::thread> posters;
  for (int p = 0; p < kPosters; ++p) {
    posters.emplace_back([&, p] {
      for (int i = 0; i < kTasks; ++i) {
        executor_.post([&, p, i] {
          if (next[p] != i) ++out_of_order;
          ++next[p];
        });
      }
    });
  }
  for (auto& poster : posters) poster.join();
  drain();
  EXPECT_EQ(out_of_order, 0);
  EXPECT_EQ(next, std::vector<int>(kPosters, kTasks));
}

TEST_F(ThreadExecutorTest, TimersRunInOrderOfTimeThenOfPosting) {
  std::string order;
  std::promise<void> done;
  executor_.post([&] {
    const env::Instant base = executor_.now();
    executor_.post_at(base + milliseconds(4), [&] {
      order += 'd';
      done.set_value();
    });
    executor_.post_at(base + milliseconds(2), [&] { order += 'b'; });
    executor_.post_at(base + milliseconds(2), [&] { order += 'c'; });
    executor_.post_at(base, [&] { order += 'a'; });
  });
  done.get_future().wait();
  EXPECT_EQ(order, "abcd");
}

TEST_F(ThreadExecutorTest, TimerNeverRunsEarly) {
  std::promise<env::Instant> ran;
  const env::Instant when = executor_.now() + milliseconds(5);
  executor_.post_at(when, [&] { ran.set_value(clock_.now()); });
  EXPECT_GE(ran.get_future().get(), when);
}

TEST_F(ThreadExecutorTest, TimerCancelledByAnotherDueTimerDoesNotRun) {
  bool ran = false;
  std::promise<void> done;
  executor_.post([&] {
    const env::Instant base = executor_.now();
    auto second = std::make_shared<env::TimerId>(0);
    executor_.post_at(base, [&, second] { executor_.cancel(*second); });
    *second = executor_.post_at(base, [&] { ran = true; });
    executor_.post_at(base, [&] { done.set_value(); });
  });
  done.get_future().wait();
  EXPECT_FALSE(ran);
}

TEST_F(ThreadExecutorTest, EarlierTimerWakesASleepingThread) {
  executor_.post_after(hours(1), [] { FAIL() << "an hour too early"; });
  drain();
  std::promise<void> done;
  executor_.post_after(milliseconds(1), [&] { done.set_value(); });
  done.get_future().wait();
}

TEST_F(ThreadExecutorTest, TaskAndTimerThatRepostThemselvesDoNotStarveEachOther) {
  std::atomic<int> timers{0};
  std::atomic<bool> stop{false};
  std::promise<void> done;
  struct Loop {
    ThreadExecutor& executor;
    std::atomic<int>& timers;
    std::atomic<bool>& stop;
    std::promise<void>& done;
    void task() {
      if (!stop) executor.post([this] { task(); });
    }
    void timer() {
      if (++timers == 100) {
        stop = true;
        done.set_value();
      } else {
        executor.post_at(executor.now(), [this] { timer(); });
      }
    }
  } loop{executor_, timers, stop, done};
  executor_.post([&] {
    loop.task();
    loop.timer();
  });
  done.get_future().wait();
  drain();
}

TEST_F(ThreadExecutorTest, ManyCancelledTimersAreForgotten) {
  for (int i = 0; i < 10'000; ++i) {
    executor_.cancel(executor_.post_after(hours(1), [] { FAIL(); }));
  }
  executor_.cancel(123'456'789);  // unknown ids are ignored
  drain();
}

TEST_F(ThreadExecutorTest, StopDestroysWhatHasNotRun) {
  auto owned = std::make_shared<int>(1);
  std::promise<void> entered, release;
  int ran = 0;
  executor_.post([&] {
    entered.set_value();
    release.get_future().wait();
    ++ran;
  });
  entered.get_future().wait();
  executor_.post([owned, &ran] { ++ran; });
  executor_.post_after(hours(1), [owned] {});
  EXPECT_EQ(owned.use_count(), 3);
  std::thread stopper([&] { executor_.stop(); });
  // Once stop() has begun, what is posted is destroyed at once; before that it waits in the queue.
  while (owned.use_count() >= 3) {
    const auto before = owned.use_count();
    executor_.post([owned] {});
    if (owned.use_count() == before) break;
    std::this_thread::yield();
  }
  release.set_value();
  stopper.join();
  EXPECT_EQ(ran, 1);
  EXPECT_EQ(owned.use_count(), 1);
  executor_.post([owned] {});
  executor_.post_after(milliseconds(0), [owned] {});
  EXPECT_EQ(owned.use_count(), 1);
  executor_.stop();
}

TEST_F(ThreadExecutorTest, DestroyedTaskMayPost) {
  struct PostsWhenDestroyed {
    ThreadExecutor* executor;
    explicit PostsWhenDestroyed(ThreadExecutor* e) : executor(e) {}
    ~PostsWhenDestroyed() { executor->post([] { FAIL(); }); }
  };
  executor_.post_after(hours(1), [p = std::make_unique<PostsWhenDestroyed>(&executor_)] {});
  executor_.stop();
}

TEST(ThreadExecutor, StopBeforeAnythingWasPosted) {
  SystemClock clock;
  for (int i = 0; i < 50; ++i) ThreadExecutor executor("a-name-longer-than-fifteen-bytes", clock);
}

}  // namespace
}  // namespace holdfast::os
