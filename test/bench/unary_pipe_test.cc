#include "apps/holdfast-bench/unary_pipe.h"

#include <atomic>
#include <future>

#include "gtest/gtest.h"
#include "test/net/fixture.h"

namespace holdfast::bench {
namespace {

// Makes `wanted` calls, `kUnderWay` at a time, or fails; on the pipe's thread.
class Caller : public UnaryPipeEvents {
 public:
  static constexpr uint64_t kUnderWay = 100;

  // The error, or nothing when all were answered.
  static std::string run(const env::Clock& clock, uint16_t port, std::string path, std::string request, uint64_t wanted) {
    net::IoPool pool(clock, 1, "pipe");
    pool.start();
    Caller caller;
    caller.request_ = std::move(request);
    caller.wanted_ = wanted;
    pool.at(0).post([&] {
      caller.pipe_ = std::make_unique<UnaryPipe>(
          pool.at(0),
          net::ConnectTarget{.address = "127.0.0.1", .port = port, .timeout = std::chrono::seconds(10)}, path,
          caller);
    });
    const std::string why = caller.over_.get_future().get();
    std::promise<void> dropped;
    pool.at(0).post([&] {
      caller.pipe_.reset();
      dropped.set_value();
    });
    dropped.get_future().wait();
    EXPECT_TRUE(!why.empty() || caller.answered_ == wanted);
    return why;
  }

  void on_ready() override { pump(); }
  void on_answer(env::Instant began) override {
    EXPECT_EQ(began.nanoseconds % 7, 0);
    ++answered_;
    pump();
  }
  void on_failure(std::string_view why) override { end(std::string(why)); }

 private:
  void pump() {
    if (answered_ == wanted_) return end("");
    while (begun_ < wanted_ && begun_ - answered_ < kUnderWay && pipe_ &&
           pipe_->call(request_, {static_cast<int64_t>(begun_) * 7}))
      ++begun_;
  }
  void end(std::string why) {
    if (!std::exchange(ended_, true)) over_.set_value(std::move(why));
  }

  std::unique_ptr<UnaryPipe> pipe_;
  std::string request_;
  uint64_t wanted_ = 0, begun_ = 0, answered_ = 0;
  bool ended_ = false;
  std::promise<std::string> over_;
};

// Several round trips of the call table and of both windows.
TEST(UnaryPipe, EveryCallIsAnsweredOnce) {
  net::EchoServer server;
  EXPECT_EQ(Caller::run(server.clock, server.listener->port(), "/test.Echo/Unary", std::string(5000, 'x'), 20'000), "");
}

TEST(UnaryPipe, AnErrorOfTheServerIsAFailure) {
  net::EchoServer server;
  EXPECT_EQ(Caller::run(server.clock, server.listener->port(), "/test.Echo/Fail", "x", 1), "a call failed with status 9: because: 100% ü");
  EXPECT_EQ(Caller::run(server.clock, server.listener->port(), "/test.Echo/None", "x", 1),
            "a call failed with status 12: unknown method None for service test.Echo");
}

TEST(UnaryPipe, NobodyThereIsAFailure) {
  auto server = std::make_unique<net::EchoServer>();
  const uint16_t port = server->listener->port();
  server.reset();
  EXPECT_NE(Caller::run(net::SystemClock(), port, "/test.Echo/Unary", "x", 1).find("refused"), std::string::npos);
}

}  // namespace
}  // namespace holdfast::bench
