// A peer port on this machine, and who asks it.
#pragma once

#include <future>
#include <optional>
#include <string>
#include <utility>

#include "base/log.h"
#include "gtest/gtest.h"
#include "net/listener.h"
#include "os/system_clock.h"
#include "peer/remote_calls.h"

namespace holdfast::peer {

struct PeerPort {
  PeerPort() : pool(clock, 1, "peer"), remote(pool.at(0), settings) {}
  ~PeerPort() { close(); }
  // By who has something that the port's thread uses.
  void close() {
    listener.reset();
    pool.stop();
  }
  void serve(net::HttpHandler& handler) {
    listener.emplace(pool, net::ListenerOptions{}, log, nullptr, &handler);
    pool.start();
    EXPECT_TRUE(listener->start().ok());
  }
  RemoteCalls::Request request() { return request("http://127.0.0.1:" + std::to_string(listener->port())); }
  RemoteCalls::Request request(std::string url) {
    return {std::move(url), std::chrono::seconds(10), &pool.at(0)};
  }
  // Calls `ask` with a callback and waits for that.
  template <class T, class Ask>
  static absl::StatusOr<T> wait(Ask ask) {
    std::promise<absl::StatusOr<T>> promise;
    ask([&](absl::StatusOr<T> answer) { promise.set_value(std::move(answer)); });
    return promise.get_future().get();
  }

  os::SystemClock clock;
  NullLogger log;
  net::IoPool pool;
  const TransportSettings settings;
  RemoteCalls remote;
  std::optional<net::Listener> listener;
};

}  // namespace holdfast::peer
