// Transports that talk over real sockets, with hosts that only note what they get; and a peer that takes connections and
// nothing else.
#include "peer/transport.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <condition_variable>
#include <filesystem>
#include <future>
#include <map>
#include <mutex>

#include "net/http_client.h"
#include "net/listener.h"
#include "os/posix_file_system.h"
#include "os/thread_executor.h"
#include "peer/headers.h"
#include "peer/peer_endpoints.h"
#include "test/base/reserved_port.h"
#include "test/net/fixture.h"

namespace holdfast::peer {
namespace {

using raft::Message;
using raft::MessageType;

// How long something that must come about may take on a busy machine.
constexpr auto kPatience = std::chrono::seconds(30);
constexpr size_t kPostedBytesMax = 8 << 20;

class Notes : public Host {
 public:
  void receive(std::vector<Message> messages, Task taken) override {
    {
      std::lock_guard lock(mutex_);
      for (Message& m : messages) messages_.push_back(std::move(m));
      if (holding_) {
        held_.push_back(std::move(taken));
      } else {
        taken();
      }
    }
    changed_.notify_all();
  }
  absl::Status receive_snapshot(Message message, const std::string& path) override {
    std::lock_guard lock(mutex_);
    snapshots_[message.snapshot->metadata.index.value] = *env::read_file(files_, path, 64 << 20);
    changed_.notify_all();
    return files_.remove(path);
  }
  bool is_removed(MemberId id) const override {
    std::lock_guard lock(mutex_);
    return removed_.contains(id);
  }
  void report_unreachable(MemberId id) override {
    std::lock_guard lock(mutex_);
    ++unreachable_[id];
    changed_.notify_all();
  }
  void report_gone(MemberId id) override {
    std::lock_guard lock(mutex_);
    ++gone_[id];
    changed_.notify_all();
  }
  void report_snapshot(MemberId id, raft::SnapshotStatus status) override {
    std::lock_guard lock(mutex_);
    reports_.push_back(status);
    changed_.notify_all();
  }
  void removed_by_peers() override {
    std::lock_guard lock(mutex_);
    told_removed_ = true;
    changed_.notify_all();
  }

  template <class Condition>
  bool wait(Condition condition) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, [&] { return condition(*this); });
  }
  void remove(MemberId id) {
    std::lock_guard lock(mutex_);
    removed_.insert(id);
  }
  void hold(bool holding) {
    std::vector<Task> held;
    {
      std::lock_guard lock(mutex_);
      holding_ = holding;
      if (!holding) held.swap(held_);
    }
    for (Task& taken : held) taken();
  }

  std::vector<Message> messages_;
  std::map<uint64_t, std::string> snapshots_;
  std::map<MemberId, int> unreachable_;
  std::map<MemberId, int> gone_;
  std::vector<raft::SnapshotStatus> reports_;
  bool told_removed_ = false;

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::set<MemberId> removed_;
  std::vector<Task> held_;
  bool holding_ = false;
  os::PosixFileSystem files_;
};

// Counts lines, so that a test can wait for what the transport says it did.
class Lines : public Logger {
 public:
  void write(LogLevel, std::string_view message, const std::vector<LogField>& fields, const char*,
             int) override {
    std::lock_guard lock(mutex_);
    std::string line(message);
    for (const LogField& f : fields)
      if (f.name == "stream-writer-type" || f.name == "stream-reader-type") line += " " + f.name;
    ++lines_[line];
    changed_.notify_all();
  }
  bool enabled(LogLevel) const override { return true; }
  bool wait(const std::string& line, int count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, [&] { return lines_[line] >= count; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, int> lines_;
};

// One member's transport and port.
struct Node {
  explicit Node(uint64_t member, env::Duration write_timeout = kPatience)
      : id(member),
        folder(std::filesystem::temp_directory_path() /
               ("holdfast-peer-" + std::to_string(getpid()) + "-" + std::to_string(member))),
        io(clock, 1, "peer"),
        transfers("transfer", clock) {
    std::filesystem::create_directories(folder);
    TransportSettings settings;
    settings.snap_dir = folder;
    settings.redial_interval = std::chrono::milliseconds(20);
    settings.write_timeout = write_timeout;
    transport = std::make_unique<Transport>(
        Transport::Parts{io.at(0), transfers, files, metrics, log}, std::move(settings));
    endpoints = std::make_unique<PeerEndpoints>(*transport, log, kPostedBytesMax);
    net::ListenerOptions options;
    options.write_timeout = write_timeout;
    listener = std::make_unique<net::Listener>(io, options, log, nullptr, endpoints.get());
    EXPECT_TRUE(listener->bind().ok());
    url = "http://127.0.0.1:" + std::to_string(listener->port());
    transport->start({id, ClusterId(7), {url}}, host);
    io.start();
  }
  ~Node() {
    std::promise<void> stopped;
    transport->stop([&stopped] { stopped.set_value(); });
    stopped.get_future().wait();
    listener.reset();
    io.stop();
    transfers.stop();
    std::filesystem::remove_all(folder);
  }
  void serve() { EXPECT_TRUE(listener->start().ok()); }
  void add(const Node& other) { transport->add(other.id, {other.url}); }
  // Both streams on which we write to one peer.
  bool wait_streams() {
    return log.wait("established TCP streaming connection with remote peer stream-writer-type", 2);
  }
  void send(MemberId to, MessageType type, uint64_t index, size_t bytes = 0) {
    std::vector<Message> messages(1);
    messages[0].type = type;
    messages[0].from = id;
    messages[0].to = to;
    messages[0].term = Term(1);
    messages[0].index = Index(index);
    if (bytes > 0)
      messages[0].entries = {raft::Entry{.term = Term(1),
                                         .index = Index(index + 1),
                                         .data = SharedBytes(std::string(bytes, 'x'))}};
    transport->send(std::move(messages));
  }

  const MemberId id;
  const std::string folder;
  net::SystemClock clock;
  Lines log;
  env::NullMetrics metrics;
  os::PosixFileSystem files;
  Notes host;
  net::IoPool io;
  os::ThreadExecutor transfers;
  std::unique_ptr<Transport> transport;
  std::unique_ptr<PeerEndpoints> endpoints;
  std::unique_ptr<net::Listener> listener;
  std::string url;
};

// The indexes of the messages of this type, in the order of their arrival.
std::vector<uint64_t> indexes(const Notes& notes, MessageType type) {
  std::vector<uint64_t> found;
  for (const Message& m : notes.messages_)
    if (m.type == type) found.push_back(m.index.value);
  return found;
}
std::vector<uint64_t> counted(uint64_t from, uint64_t to) {
  std::vector<uint64_t> numbers;
  for (uint64_t i = from; i <= to; ++i) numbers.push_back(i);
  return numbers;
}

// RAFT-06, RAFT-14
TEST(Transport, EachStreamKeepsItsOrder) {
  Node a(1), b(2);
  a.serve();
  b.serve();
  a.add(b);
  b.add(a);
  ASSERT_TRUE(a.wait_streams());
  ASSERT_TRUE(b.wait_streams());
  for (uint64_t i = 1; i <= 500; ++i) {
    a.send(b.id, MessageType::app, i, 100);
    a.send(b.id, MessageType::heartbeat, i);
    b.send(a.id, MessageType::app_resp, i);
  }
  EXPECT_TRUE(b.host.wait([](const Notes& n) {
    return indexes(n, MessageType::app) == counted(1, 500) &&
           indexes(n, MessageType::heartbeat) == counted(1, 500);
  }));
  EXPECT_TRUE(a.host.wait([](const Notes& n) { return indexes(n, MessageType::app_resp) == counted(1, 500); }));
}

// A connection to this machine on which `request` has been sent.
int open_connection(uint16_t port, const std::string& request) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(::send(fd, request.data(), request.size(), 0), static_cast<ssize_t>(request.size()));
  return fd;
}

// Of the answer that comes: "413".
std::string status_of(int fd) {
  std::string line(12, '\0');
  EXPECT_EQ(::recv(fd, line.data(), line.size(), MSG_WAITALL), static_cast<ssize_t>(line.size()));
  return line.substr(9);
}

// A member's dial of a stream, by hand.
class Dialled {
 public:
  Dialled(net::IoThread& thread, const Node& to, const Identity& self) : opened(events_->opened.get_future()),
                                                                         ended(events_->ended.get_future()),
                                                                         got(events_->got.get_future()) {
    net::HttpClientRequest request;
    request.target = "/raft/stream/message/" + hex_id(self.member.value);
    request.fields = introduction(self);
    request.fields.emplace_back("X-Raft-To", hex_id(to.id.value));
    thread.post([this, &thread, port = to.listener->port(), request = std::move(request)]() mutable {
      client_ = std::make_unique<net::HttpClient>(thread, net::HttpClientOptions{.port = port});
      client_->send(std::move(request), std::make_unique<Sink>(events_),
                    [events = events_](const absl::Status&, const net::HttpResponse&) { events->ended.set_value(); });
    });
  }

 private:
  struct Events {  // shared with what the client calls, which may be late
    std::promise<void> opened, ended, got;
    bool has_got = false;
  };
  struct Sink final : net::HttpClient::Sink {
    explicit Sink(std::shared_ptr<Events> e) : events(std::move(e)) {}
    void on_head(const net::HttpResponse&) override { events->opened.set_value(); }
    void on_piece(std::string_view) override {
      if (!std::exchange(events->has_got, true)) events->got.set_value();
    }
    std::shared_ptr<Events> events;
  };
  std::shared_ptr<Events> events_ = std::make_shared<Events>();
  std::unique_ptr<net::HttpClient> client_;

 public:
  std::future<void> opened, ended, got;
};

// RAFT-08
TEST(Transport, ANewerStreamReplacesTheOlder) {
  Node b(2);
  b.serve();
  const Identity one{MemberId(1), ClusterId(7), {"http://127.0.0.1:1"}};
  b.transport->add(one.member, one.peer_urls);
  net::SystemClock clock;
  net::IoPool io(clock, 1, "dialler");
  io.start();
  {
    Dialled older(io.at(0), b, one);
    ASSERT_EQ(older.opened.wait_for(kPatience), std::future_status::ready);
    Dialled newer(io.at(0), b, one);
    ASSERT_EQ(newer.opened.wait_for(kPatience), std::future_status::ready);
    EXPECT_EQ(older.ended.wait_for(kPatience), std::future_status::ready);
    b.send(one.member, MessageType::heartbeat, 1);
    EXPECT_EQ(newer.got.wait_for(kPatience), std::future_status::ready);
    EXPECT_EQ(newer.ended.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  }
  io.stop();
}

// RAFT-16, RAFT-23
TEST(Transport, PostsReachAMemberThatDoesNotKnowUs) {
  Node a(1), b(2);
  b.serve();
  a.add(b);
  a.send(b.id, MessageType::pre_vote, 5);
  ASSERT_TRUE(b.host.wait([](const Notes& n) { return n.messages_.size() == 1; }));
  // By its introduction b knows now where a is; but a must be served to be answered.
  a.serve();
  b.send(a.id, MessageType::pre_vote_resp, 6);
  EXPECT_TRUE(a.host.wait([](const Notes& n) { return n.messages_.size() == 1; }));
}

TEST(Transport, PeerThatIsNotThereIsReported) {
  Node a(1), b(2);
  a.add(b);  // b's port is bound, but nobody listens behind it
  b.listener->stop_now([] {});
  a.send(b.id, MessageType::app, 1);
  EXPECT_TRUE(a.host.wait([&](const Notes& n) { return n.unreachable_.contains(b.id); }));
  EXPECT_TRUE(a.host.wait([&](const Notes& n) { return n.gone_.contains(b.id); }));
}

// RAFT-24
TEST(Transport, PeerThatMovedIsReachedWhereItIs) {
  Node a(1), b(2);
  b.serve();
  a.transport->add(b.id, {"http://127.0.0.1:1"});
  a.send(b.id, MessageType::pre_vote, 1);
  ASSERT_TRUE(a.host.wait([&](const Notes& n) { return n.unreachable_.contains(b.id); }));
  a.transport->update(b.id, {b.url});
  a.send(b.id, MessageType::pre_vote, 2);
  ASSERT_TRUE(b.host.wait([](const Notes& n) { return !n.messages_.empty(); }));
  EXPECT_EQ(indexes(b.host, MessageType::pre_vote), (std::vector<uint64_t>{2}));
}

// RAFT-24, RAFT-26
TEST(Transport, RemovedPeerGetsNothing) {
  Node a(1), b(2);
  a.serve();
  b.serve();
  a.add(b);
  b.add(a);
  ASSERT_TRUE(a.wait_streams());
  EXPECT_NE(a.transport->active_since(b.id), env::Instant{});
  a.send(b.id, MessageType::pre_vote, 1);
  ASSERT_TRUE(b.host.wait([](const Notes& n) { return n.messages_.size() == 1; }));
  a.transport->remove(b.id);
  a.send(b.id, MessageType::pre_vote, 2);
  a.send(MemberId(0), MessageType::pre_vote, 3);
  a.add(b);
  a.send(b.id, MessageType::pre_vote, 4);
  ASSERT_TRUE(b.host.wait([](const Notes& n) { return n.messages_.size() >= 2; }));
  EXPECT_EQ(indexes(b.host, MessageType::pre_vote), (std::vector<uint64_t>{1, 4}));
}

// Whoever posts: all messages that are under way share one bound, and a post that ends gives back what it held.
TEST(Transport, PostsAreBoundedTogether) {
  Node a(1), b(2);
  b.serve();
  const auto post = [&](const std::string& path, const std::string& cluster, const std::string& body) {
    return open_connection(b.listener->port(), "POST " + path + " HTTP/1.1\r\nHost: x\r\nX-Server-From: 5\r\nX-Server-Version: 3.7.1\r\n"
                     "X-Min-Cluster-Version: 3.0.0\r\nX-Etcd-Cluster-ID: " + cluster +
                     "\r\nContent-Length: 9999999999\r\n\r\n" + body);
  };
  const std::string half(kPostedBytesMax / 2 + 1, 'x');
  // The message of a snapshot has its length in front.
  std::array<pollfd, 2> posts{pollfd{post("/raft", "7", half), POLLIN, 0},
                              pollfd{post("/raft/snapshot", "7", std::string("\0\0\0\0\2\0\0\0", 8) + half), POLLIN, 0}};
  // The one of which too much came is sent away, and the other one waits.
  ASSERT_EQ(::poll(posts.data(), posts.size(), 30'000), 1);
  EXPECT_EQ(status_of(posts[posts[0].revents == 0 ? 1 : 0].fd), "413");
  const int stranger = post("/raft", "8", "");
  EXPECT_EQ(status_of(stranger), "412");
  for (const int fd : {posts[0].fd, posts[1].fd, stranger}) {
    ::shutdown(fd, SHUT_WR);
    for (char rest[4096]; ::recv(fd, rest, sizeof rest, 0) > 0;) {
    }
    ::close(fd);
  }
  a.add(b);
  a.send(b.id, MessageType::app, 1, kPostedBytesMax * 3 / 4);
  EXPECT_TRUE(b.host.wait([](const Notes& n) { return !indexes(n, MessageType::app).empty(); }));
}

// RAFT-07, TRP-43
TEST(Transport, RemovedMemberIsTold) {
  Node a(1), b(2);
  b.serve();
  b.host.remove(a.id);
  a.add(b);
  EXPECT_TRUE(a.host.wait([](const Notes& n) { return n.told_removed_; }));
}

class Zeros : public server::SnapshotBody {
 public:
  explicit Zeros(size_t size) : left_(size) {}
  absl::StatusOr<size_t> read(std::span<char> buffer) override {
    const size_t size = std::min(buffer.size(), left_);
    std::fill_n(buffer.begin(), size, 'z');
    left_ -= size;
    return size;
  }

 private:
  size_t left_;
};

server::OutgoingSnapshot snapshot(const Node& from, const Node& to, size_t said, size_t bytes) {
  Message message;
  message.type = MessageType::snap;
  message.from = from.id;
  message.to = to.id;
  auto contents = std::make_shared<raft::Snapshot>();
  contents->metadata.index = Index(9);
  contents->metadata.term = Term(1);
  message.snapshot = std::move(contents);
  return {std::move(message), said, std::make_unique<Zeros>(bytes)};
}

// RAFT-17
TEST(Transport, SnapshotArrivesWhole) {
  Node a(1), b(2);
  b.serve();
  a.add(b);
  constexpr size_t kBytes = 20'000'000;
  a.transport->send_snapshot(snapshot(a, b, kBytes, kBytes));
  ASSERT_TRUE(b.host.wait([](const Notes& n) { return n.snapshots_.contains(9); }));
  ASSERT_TRUE(b.host.wait([](const Notes& n) { return n.snapshots_.at(9).size() == kBytes; }));
  ASSERT_TRUE(a.host.wait([](const Notes& n) { return !n.reports_.empty(); }));
  EXPECT_EQ(a.host.reports_.front(), raft::SnapshotStatus::finished);
}

TEST(Transport, SnapshotCutShortIsNoSnapshot) {
  Node a(1), b(2);
  b.serve();
  a.add(b);
  a.transport->send_snapshot(snapshot(a, b, 2'000'000, 1'500'000));
  ASSERT_TRUE(a.host.wait([](const Notes& n) { return !n.reports_.empty(); }));
  EXPECT_EQ(a.host.reports_.front(), raft::SnapshotStatus::failed);
  EXPECT_TRUE(b.host.snapshots_.empty());
  // To one that is no peer.
  a.transport->remove(b.id);
  a.transport->send_snapshot(snapshot(a, b, 1, 1));
  ASSERT_TRUE(a.host.wait([](const Notes& n) { return n.reports_.size() == 2; }));
  EXPECT_EQ(a.host.reports_.back(), raft::SnapshotStatus::failed);
}

// Takes connections, reads what must be read, and then nothing more: opens streams with `target` and leaves them full.
class Glutton {
 public:
  Glutton() : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    url = "http://127.0.0.1:" + std::to_string(test::bind_to_free_port(listener_));
    EXPECT_EQ(::listen(listener_, 100), 0);
  }
  ~Glutton() {
    ::close(listener_);
    for (int fd : streams_) ::close(fd);
  }
  // As member 3 of cluster 7.
  void open_stream(uint16_t port, const std::string& path) {
    const int fd = open_connection(
        port, "GET " + path +
                  "/3 HTTP/1.1\r\nHost: x\r\nX-Server-From: 3\r\nX-Server-Version: 3.7.1\r\n"
                  "X-Min-Cluster-Version: 3.0.0\r\nX-Etcd-Cluster-ID: 7\r\nX-Raft-To: 1\r\n\r\n");
    char byte = 0;
    ASSERT_EQ(::recv(fd, &byte, 1, 0), 1);  // the answer begins
    streams_.push_back(fd);
  }
  std::string url;

 private:
  const int listener_;
  std::vector<int> streams_;
};

// RAFT-15
TEST(Transport, PeerThatTakesNothingIsBoundedAndHoldsUpNobody) {
  Node a(1, std::chrono::seconds(2)), b(2);
  a.serve();
  b.serve();
  a.add(b);
  b.add(a);
  ASSERT_TRUE(a.wait_streams());
  Glutton glutton;
  a.transport->add(MemberId(3), {glutton.url});
  // So that the port knows it as a peer.
  ASSERT_TRUE(a.log.wait("added remote peer", 2));
  glutton.open_stream(a.listener->port(), "/raft/stream/msgapp");
  glutton.open_stream(a.listener->port(), "/raft/stream/message");
  // 400 MB in all, one array in memory: what is held is in the queues of the transport.
  const SharedBytes megabyte(std::string(1 << 20, 'x'));
  for (uint64_t i = 1; i <= 400; ++i) {
    std::vector<Message> messages(1);
    Message& m = messages[0];
    m.type = MessageType::app;
    m.from = a.id;
    m.to = MemberId(3);
    m.term = Term(1);
    m.index = Index(i);
    m.entries = {raft::Entry{.term = Term(1), .index = Index(i + 1), .data = megabyte}};
    a.transport->send(std::move(messages));
  }
  // The queue is full before the end, and raft hears of it.
  EXPECT_TRUE(a.host.wait([](const Notes& n) { return n.unreachable_.contains(MemberId(3)); }));
  EXPECT_LT(a.listener->stats().response_bytes_held, 8u << 20);
  // Nobody else notices.
  for (uint64_t i = 1; i <= 100; ++i) a.send(b.id, MessageType::heartbeat, i);
  EXPECT_TRUE(b.host.wait([](const Notes& n) { return indexes(n, MessageType::heartbeat) == counted(1, 100); }));
  // A connection that takes nothing for so long is cut; the queue goes with it.
  EXPECT_TRUE(a.log.wait("lost TCP streaming connection with remote peer stream-writer-type", 1));
  // It listens, though: nobody says that it is gone.
  EXPECT_TRUE(a.host.wait([](const Notes& n) { return n.gone_.empty(); }));
}

// Raft that is far behind slows its peers down; nothing is lost.
TEST(Transport, SlowHostSlowsTheSender) {
  Node a(1), b(2);
  a.serve();
  b.serve();
  a.add(b);
  b.add(a);
  ASSERT_TRUE(a.wait_streams());
  b.host.hold(true);
  constexpr uint64_t kMessages = 150;
  for (uint64_t i = 1; i <= kMessages; ++i) a.send(b.id, MessageType::app, i, 1 << 20);
  ASSERT_TRUE(b.host.wait([](const Notes& n) { return n.messages_.size() >= 64; }));
  // More than the bound comes only when raft takes something.
  EXPECT_TRUE(b.host.wait([](const Notes& n) { return n.messages_.size() < 80; }));
  b.host.hold(false);
  EXPECT_TRUE(b.host.wait([](const Notes& n) { return indexes(n, MessageType::app) == counted(1, kMessages); }));
  EXPECT_TRUE(a.host.wait([](const Notes& n) { return n.unreachable_.empty(); }));
}

}  // namespace
}  // namespace holdfast::peer
