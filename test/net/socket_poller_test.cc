#include "net/socket_poller.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace holdfast::net {
namespace {

// One end of a pair of sockets, registered; the test holds the other.
struct Watched : Pollable {
  explicit Watched(SocketPoller& poller) : poller(poller) {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    here = ends[0];
    there = ends[1];
    EXPECT_TRUE(poller.add(here, *this));
  }
  ~Watched() override {
    if (!gone) leave();
    if (there >= 0) ::close(there);
  }
  void leave() {
    poller.remove(here, *this);
    ::close(here);
    gone = true;
  }
  void on_ready(SocketEvents events) override {
    told.push_back(events);
    if (then) then();
  }
  void send(const std::string& bytes) const { ASSERT_EQ(::write(there, bytes.data(), bytes.size()), ssize_t(bytes.size())); }
  std::string receive(size_t size) const {
    std::string bytes(size, '\0');
    const ssize_t got = ::read(here, bytes.data(), size);
    bytes.resize(got < 0 ? 0 : static_cast<size_t>(got));
    return bytes;
  }

  SocketPoller& poller;
  int here = -1, there = -1;
  bool gone = false;
  std::vector<SocketEvents> told;
  std::function<void()> then;
};

bool sleeps(const SocketPoller& poller) {
  pollfd descriptor{poller.descriptor(), POLLIN, 0};
  return ::poll(&descriptor, 1, 0) == 0;
}

TEST(SocketPoller, TellsChangesOnce) {
  SocketPoller poller;
  Watched socket(poller);
  poller.poll();  // that it can be written to
  socket.told.clear();
  poller.poll();
  EXPECT_TRUE(socket.told.empty());
  EXPECT_TRUE(sleeps(poller));

  socket.send("hello");
  EXPECT_FALSE(sleeps(poller));
  poller.poll();
  ASSERT_EQ(socket.told.size(), 1u);
  EXPECT_TRUE(socket.told[0].readable);
  EXPECT_FALSE(socket.told[0].ended);
  poller.poll();
  EXPECT_EQ(socket.told.size(), 1u) << "what was not read is not told again";
  socket.send("more");
  poller.poll();
  EXPECT_EQ(socket.told.size(), 2u);
  EXPECT_EQ(socket.receive(100), "hellomore");
}

TEST(SocketPoller, WhoHasNotReadAllComesAgain) {
  SocketPoller poller;
  Watched socket(poller);
  socket.send("hello");
  poller.poll();
  EXPECT_FALSE(poller.has_work());
  poller.again(socket);
  EXPECT_TRUE(poller.has_work());
  socket.told.clear();
  poller.poll();
  ASSERT_EQ(socket.told.size(), 1u);
  EXPECT_TRUE(socket.told[0].readable);
  EXPECT_FALSE(poller.has_work());
}

TEST(SocketPoller, RoomToWriteIsTold) {
  SocketPoller poller;
  Watched socket(poller);
  poller.poll();
  const std::string block(64 * 1024, 'x');
  size_t sent = 0;
  for (ssize_t n; (n = ::write(socket.here, block.data(), block.size())) > 0;) sent += static_cast<size_t>(n);
  socket.told.clear();
  poller.poll();
  EXPECT_TRUE(socket.told.empty());
  std::string taken(sent, '\0');
  for (size_t got = 0; got < sent;) {
    const ssize_t n = ::read(socket.there, taken.data(), taken.size());
    ASSERT_GT(n, 0);
    got += static_cast<size_t>(n);
  }
  poller.poll();
  ASSERT_EQ(socket.told.size(), 1u);
  EXPECT_TRUE(socket.told[0].writable);
}

// The end may come with the last bytes, and then nothing more is told: whoever reads must know that it is there.
TEST(SocketPoller, EndComesWithTheLastBytes) {
  SocketPoller poller;
  Watched socket(poller);
  poller.poll();
  socket.told.clear();
  socket.send("last");
  ASSERT_EQ(::shutdown(socket.there, SHUT_WR), 0);
  poller.poll();
  ASSERT_EQ(socket.told.size(), 1u);
  EXPECT_TRUE(socket.told[0].readable);
  EXPECT_TRUE(socket.told[0].ended);
}

TEST(SocketPoller, WhoLeavesIsToldNothing) {
  SocketPoller poller;
  Watched first(poller), second(poller);
  poller.poll();
  first.told.clear();
  second.told.clear();
  first.send("1");
  second.send("2");
  // Whichever is told first makes the other leave.
  first.then = [&] { second.leave(); };
  second.then = [&] { first.leave(); };
  poller.poll();
  EXPECT_EQ(first.told.size() + second.told.size(), 1u);

  Watched third(poller), fourth(poller);
  poller.poll();
  third.told.clear();
  fourth.told.clear();
  poller.again(third);
  poller.again(fourth);
  third.then = [&] { fourth.leave(); };
  poller.poll();
  EXPECT_EQ(third.told.size(), 1u);
  EXPECT_TRUE(fourth.told.empty());
}

TEST(SocketPoller, ManySocketsTakeSeveralTurns) {
  SocketPoller poller;
  std::vector<std::unique_ptr<Watched>> sockets;
  for (int i = 0; i < 100; ++i) sockets.push_back(std::make_unique<Watched>(poller));
  int turns = 0;
  do {
    poller.poll();
    ++turns;
  } while (poller.has_work());
  EXPECT_GT(turns, 1);
  for (const auto& socket : sockets) EXPECT_EQ(socket->told.size(), 1u);
}

TEST(SocketPoller, RefusedSocketIsReported) {
  SocketPoller poller;
  Watched socket(poller);
  EXPECT_FALSE(poller.add(-1, socket));
}

}  // namespace
}  // namespace holdfast::net
