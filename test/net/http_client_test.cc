// The client's less common sides: names, bodies written and read in pieces, connections that nobody uses.
#include "net/http_client.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <future>
#include <mutex>

#include "test/net/fixture.h"

namespace holdfast::net {
namespace {

constexpr auto kPatience = std::chrono::seconds(30);

// /count answers how many bytes it got, in pieces; /refuse answers 412 before the body's end; /flood sends a body of 64 MiB,
// never holding more than 256 KiB of it.
class Pieces final : public HttpHandler {
 public:
  void handle(HttpExchangeRef exchange) override {
    if (exchange->request().path() != "/flood") return exchange->respond(404, {}, "");
    exchange->start(200, {});
    auto left = std::make_shared<size_t>(64 << 20);  // shared by the calls of the hook
    auto produce = [left, e = exchange.get()] {
      while (*left > 0 && e->outbox_bytes() < 256 * 1024) {
        e->write(std::string(64 * 1024, 'f'));
        *left -= 64 * 1024;
      }
      if (*left == 0) e->end();
    };
    produce();
    exchange->on_drained(produce);
    held_.push_back(exchange);
  }
  std::unique_ptr<HttpBodySink> receive(const HttpExchangeRef& exchange) override {
    if (exchange->request().path() == "/refuse") exchange->respond(412, {}, "no\n");
    class Counter final : public HttpBodySink {
     public:
      explicit Counter(HttpExchangeRef e) : exchange_(std::move(e)) {}
      void on_piece(std::string_view piece) override { bytes_ += piece.size(); }
      void on_end() override { exchange_->respond(200, {}, std::to_string(bytes_)); }
      void on_abort() override {}

     private:
      HttpExchangeRef exchange_;
      size_t bytes_ = 0;
    };
    return std::make_unique<Counter>(exchange);
  }
  void let_go() { held_.clear(); }

 private:
  std::vector<HttpExchangeRef> held_;
};

class HttpClientTest : public testing::Test {
 protected:
  HttpClientTest() : pool_(clock_, 1) {
    ListenerOptions options;
    options.http.idle_timeout = std::chrono::milliseconds(50);
    listener_ = std::make_unique<Listener>(pool_, options, log_, nullptr, &pieces_);
    pool_.start();
    EXPECT_TRUE(listener_->start().ok());
    run([&] {
      client_ = std::make_unique<HttpClient>(
          pool_.at(0), HttpClientOptions{.address = "localhost", .port = listener_->port()});
    });
  }
  ~HttpClientTest() override {
    run([&] {
      client_.reset();
      pieces_.let_go();
    });
    listener_.reset();
    pool_.stop();
  }
  void run(std::function<void()> f) {
    std::promise<void> done;
    pool_.at(0).post([&] {
      f();
      done.set_value();
    });
    done.get_future().wait();
  }
  template <class T>
  T get(std::promise<T>& promise) {
    auto future = promise.get_future();
    if (future.wait_for(kPatience) != std::future_status::ready) ADD_FAILURE() << "no answer";
    return future.get();
  }

  SystemClock clock_;
  NullLogger log_;
  IoPool pool_;
  Pieces pieces_;
  std::unique_ptr<Listener> listener_;
  std::unique_ptr<HttpClient> client_;
};

// Writes `left` bytes as the connection takes them.
struct Writer {
  HttpClient& client;
  size_t left;
  size_t held_max = 0;
  void operator()() {
    while (left > 0 && client.outbox_bytes() < 256 * 1024) {
      client.write(std::string(64 * 1024, 'u'));
      left -= 64 * 1024;
      held_max = std::max(held_max, client.outbox_bytes());
    }
    if (left == 0) client.end();
  }
};

TEST_F(HttpClientTest, UploadArrivesWholeAndIsNeverHeldWhole) {
  std::promise<HttpResponse> answer;
  std::shared_ptr<Writer> writer;  // shared by the two hooks
  run([&] {
    writer = std::make_shared<Writer>(Writer{*client_, 64 << 20});
    client_->upload({.method = "POST", .target = "/count"},
                    {.on_open = [writer] { (*writer)(); }, .on_drained = [writer] { (*writer)(); }},
                    [&](const absl::Status& status, HttpResponse response) {
                      EXPECT_TRUE(status.ok()) << status;
                      answer.set_value(std::move(response));
                    });
  });
  const HttpResponse response = get(answer);
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, std::to_string(64 << 20));
  EXPECT_LT(writer->held_max, 1u << 20);
}

TEST_F(HttpClientTest, AnswerBeforeTheUploadsEndIsTheAnswer) {
  std::promise<HttpResponse> answer;
  run([&] {
    client_->upload({.method = "POST", .target = "/refuse"}, {.on_open = [&] { client_->write("begin"); }},
                    [&](const absl::Status& status, HttpResponse response) {
                      EXPECT_TRUE(status.ok()) << status;
                      answer.set_value(std::move(response));
                    });
  });
  const HttpResponse response = get(answer);
  EXPECT_EQ(response.status, 412);
  EXPECT_EQ(response.body, "no\n");
  // The next request gets a connection of its own.
  std::promise<HttpResponse> next;
  run([&] {
    client_->send({.target = "/other"}, [&](const absl::Status& status, HttpResponse r) {
      EXPECT_TRUE(status.ok()) << status;
      next.set_value(std::move(r));
    });
  });
  EXPECT_EQ(get(next).status, 404);
}

TEST_F(HttpClientTest, PausedAnswerWaitsAtTheServer) {
  struct Counter final : HttpClient::Sink {
    explicit Counter(std::function<void(size_t)> f) : on_bytes(std::move(f)) {}
    void on_piece(std::string_view piece) override { on_bytes(piece.size()); }
    std::function<void(size_t)> on_bytes;
  };
  size_t bytes = 0;
  bool paused = false, told = false;
  std::promise<void> is_paused, done;
  run([&] {
    client_->send({.target = "/flood"},
                  std::make_unique<Counter>([&](size_t size) {
                    bytes += size;
                    if (bytes > (1 << 20) && !std::exchange(paused, true)) {
                      client_->pause();
                      if (!std::exchange(told, true)) is_paused.set_value();
                    }
                  }),
                  [&](const absl::Status& status, const HttpResponse&) {
                    EXPECT_TRUE(status.ok()) << status;
                    done.set_value();
                  });
  });
  get(is_paused);
  // However much the loop turns, no more than what was read at once comes through.
  size_t then = 0, now = 0;
  run([&] { then = bytes; });
  for (int i = 0; i < 1000; ++i) run([&] { now = bytes; });
  EXPECT_LE(now, then + 4 * 256 * 1024);
  EXPECT_LT(now, 64u << 20);
  run([&] { client_->resume(); });
  get(done);
  EXPECT_EQ(bytes, 64u << 20);
}

TEST_F(HttpClientTest, IdleConnectionIsClosedAndTheNextRequestDoesNotNotice) {
  for (int i = 0; i < 3; ++i) {
    std::promise<HttpResponse> answer;
    run([&] {
      client_->send({.target = "/other"}, [&](const absl::Status& status, HttpResponse r) {
        EXPECT_TRUE(status.ok()) << status;
        answer.set_value(std::move(r));
      });
    });
    EXPECT_EQ(get(answer).status, 404);
    // Closed by the server, after its idle time.
    const auto end = clock_.now() + kPatience;
    while (listener_->stats().connections_open > 0 && clock_.now() < end) run([] {});
    EXPECT_EQ(listener_->stats().connections_open, 0u);
  }
  EXPECT_GE(listener_->stats().connections_accepted, 3u);
}

TEST_F(HttpClientTest, NameThatIsNobodysIsAnError) {
  std::promise<absl::Status> answer;
  std::unique_ptr<HttpClient> client;
  run([&] {
    client = std::make_unique<HttpClient>(
        pool_.at(0), HttpClientOptions{.address = "no-such-host.invalid", .port = 1});
    client->send({.target = "/"},
                 [&](const absl::Status& status, const HttpResponse&) { answer.set_value(status); });
  });
  const absl::Status status = get(answer);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_NE(std::string(status.message()).find("lookup no-such-host.invalid"), std::string::npos) << status;
  run([&] { client.reset(); });
}

}  // namespace
}  // namespace holdfast::net
