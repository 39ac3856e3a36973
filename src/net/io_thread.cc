#include "net/io_thread.h"

#include <pthread.h>

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>

#include "base/check.h"

namespace holdfast::net {
namespace {

// Which thread's loop runs here; how running_here() knows.
thread_local const IoThread* current_thread = nullptr;

// Handlers of Boost.Asio that run before posted tasks and writes get their turn.
constexpr int kHandlersPerTurn = 64;
// Tasks kept allocated for the next batch; a burst's memory is given back.
constexpr size_t kTasksKept = 4096;

constexpr env::TimerId kRemoteId = uint64_t{1} << 63;

}  // namespace

// Tasks from all threads. While the loop is awake, posting is a lock and a push; only a sleeping loop is woken.
class IoThread::Inbox {
 public:
  enum class Wake : uint8_t { no, yes };

  Wake put(Task task) {
    std::lock_guard lock(mutex_);
    if (closed_) return Wake::no;
    tasks_.push_back(std::move(task));
    return std::exchange(sleeping_, false) ? Wake::yes : Wake::no;
  }
  // False: there is work, don't sleep.
  bool try_sleep() {
    std::lock_guard lock(mutex_);
    sleeping_ = tasks_.empty() && !closed_;
    return sleeping_;
  }
  void awake() {
    std::lock_guard lock(mutex_);
    sleeping_ = false;
  }
  void take(std::vector<Task>& batch) {
    std::lock_guard lock(mutex_);
    tasks_.swap(batch);
  }
  std::vector<Task> close() {
    std::lock_guard lock(mutex_);
    closed_ = true;
    return std::move(tasks_);
  }

 private:
  std::mutex mutex_;
  std::vector<Task> tasks_;
  bool sleeping_ = false;
  bool closed_ = false;
};

// An indexed binary heap: every gRPC call with a deadline sets and cancels a timer, so a cancelled one must leave at
// once and not wait for its time.
class IoThread::Timers {
 public:
  explicit Timers(boost::asio::io_context& context) : asio_timer(context) {}

  env::TimerId add(env::Instant when, Task task) {
    uint32_t slot;
    if (free_.empty()) {
      slot = static_cast<uint32_t>(nodes_.size());
      nodes_.emplace_back();
    } else {
      slot = free_.back();
      free_.pop_back();
    }
    Node& node = nodes_[slot];
    node.task = std::move(task);
    node.position = heap_.size();
    heap_.push_back({when, slot});
    sift_up(node.position);
    return (uint64_t{node.generation} << 32) | (slot + 1);
  }
  void remove(env::TimerId id) {
    uint32_t slot = static_cast<uint32_t>(id) - 1;
    if (slot >= nodes_.size()) return;
    Node& node = nodes_[slot];
    if (node.generation != (id >> 32) || node.position == kNotInHeap) return;
    Task dropped = take_out(slot);
  }
  bool empty() const { return heap_.empty(); }
  env::Instant earliest() const { return heap_.front().when; }
  Task pop() { return take_out(heap_.front().slot); }

  // Timers set from other threads carry ids made there; see IoThread::post_at.
  void add_remote(env::TimerId remote, env::Instant when, Task task) {
    if (cancelled_early_.erase(remote) != 0) return;
    remote_[remote] = add(when, Task([this, remote, t = std::move(task)]() mutable {
      remote_.erase(remote);
      t();
    }));
  }
  void remove_remote(env::TimerId remote, uint64_t batch) {
    auto it = remote_.find(remote);
    if (it == remote_.end()) {
      cancelled_early_.emplace(remote, batch);
      return;
    }
    env::TimerId id = it->second;
    remote_.erase(it);
    remove(id);
  }
  // A timer cancelled here before its add_remote ran is in this batch of tasks or the next; after that the note of it
  // means nothing.
  void forget_early_cancels(uint64_t batch) {
    if (cancelled_early_.empty()) return;
    std::erase_if(cancelled_early_, [&](const auto& e) { return e.second + 1 < batch; });
  }

  boost::asio::steady_timer asio_timer;
  std::optional<env::Instant> armed_for;
  std::atomic<uint64_t> remote_ids{0};

 private:
  static constexpr size_t kNotInHeap = SIZE_MAX;
  struct Node {
    Task task;
    uint32_t generation = 0;  // 31 bits are used
    size_t position = kNotInHeap;
  };
  struct Entry {
    env::Instant when;
    uint32_t slot;
  };

  Task take_out(uint32_t slot) {
    Node& node = nodes_[slot];
    size_t hole = node.position;
    Entry last = heap_.back();
    heap_.pop_back();
    if (hole < heap_.size()) {
      place(hole, last);
      sift_up(hole);
      sift_down(nodes_[last.slot].position);
    }
    node.position = kNotInHeap;
    node.generation = (node.generation + 1) & 0x7fffffff;
    free_.push_back(slot);
    return std::move(node.task);
  }
  void place(size_t position, Entry entry) {
    heap_[position] = entry;
    nodes_[entry.slot].position = position;
  }
  void sift_up(size_t at) {
    Entry entry = heap_[at];
    while (at > 0 && entry.when < heap_[(at - 1) / 2].when) {
      place(at, heap_[(at - 1) / 2]);
      at = (at - 1) / 2;
    }
    place(at, entry);
  }
  void sift_down(size_t at) {
    Entry entry = heap_[at];
    for (;;) {
      size_t child = 2 * at + 1;
      if (child >= heap_.size()) break;
      if (child + 1 < heap_.size() && heap_[child + 1].when < heap_[child].when) ++child;
      if (entry.when <= heap_[child].when) break;
      place(at, heap_[child]);
      at = child;
    }
    place(at, entry);
  }

  std::vector<Entry> heap_;
  std::vector<Node> nodes_;
  std::vector<uint32_t> free_;
  std::unordered_map<env::TimerId, env::TimerId> remote_;
  std::unordered_map<env::TimerId, uint64_t> cancelled_early_;
};

// Ends the loop's sleep when a socket has something. Asked for only before a sleep: a busy loop polls the sockets anyway.
class IoThread::SocketsAwaited {
 public:
  SocketsAwaited(boost::asio::io_context& context, const SocketPoller& sockets)
      : descriptor_(context, sockets.descriptor()) {}
  ~SocketsAwaited() { descriptor_.release(); }  // the poller's own

  void arm() {
    if (std::exchange(armed_, true)) return;
    descriptor_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                           [this](const boost::system::error_code&) { armed_ = false; });
  }

 private:
  boost::asio::posix::stream_descriptor descriptor_;
  bool armed_ = false;
};

IoThread::IoThread(const env::Clock& clock, std::string name)
    : clock_(clock),
      name_(std::move(name)),
      context_(std::make_unique<boost::asio::io_context>(1)),
      sockets_awaited_(std::make_unique<SocketsAwaited>(*context_, sockets_)),
      inbox_(std::make_unique<Inbox>()),
      timers_(std::make_unique<Timers>(*context_)) {}

IoThread::~IoThread() {
  // Tasks and handlers own calls and connections, which may still cancel timers and posts here while they go.
  inbox_->close().clear();
  context_->stop();
  timers_.reset();
  sockets_awaited_.reset();
  context_.reset();
}

void IoThread::run() {
  CHECK(current_thread == nullptr, "an I/O thread's loop started inside another");
  current_thread = this;
  pthread_setname_np(pthread_self(), name_.substr(0, 15).c_str());
  auto guard = boost::asio::make_work_guard(*context_);
  while (!stopped_.load(std::memory_order_acquire)) turn();
  inbox_->close().clear();
  current_thread = nullptr;
}

void IoThread::stop() {
  stopped_.store(true, std::memory_order_release);
  wake();
}

void IoThread::wake() { boost::asio::post(*context_, [] {}); }

void IoThread::turn() {
  bool more = !flushes_.empty() || sockets_.has_work();
  if (!more && inbox_->try_sleep()) {
    sockets_awaited_->arm();
    context_->run_one();
    inbox_->awake();
  }
  sockets_.poll();
  for (int i = 0; i < kHandlersPerTurn && context_->poll_one() != 0; ++i) {
  }
  run_posted();
  run_flushes();
}

void IoThread::run_posted() {
  batch_.clear();
  inbox_->take(batch_);
  if (batch_.empty()) return;
  ++batch_number_;
  for (Task& task : batch_) {
    task();
    task = Task();
  }
  timers_->forget_early_cancels(batch_number_);
  if (batch_.capacity() > kTasksKept) std::vector<Task>().swap(batch_);
}

void IoThread::run_flushes() {
  flushing_.swap(flushes_);
  for (size_t i = 0; i < flushing_.size(); ++i) {
    Flushable* connection = flushing_[i];
    if (connection == nullptr) continue;
    connection->flush_wanted_ = false;
    flushing_[i] = nullptr;
    connection->flush();
  }
  flushing_.clear();
}

void IoThread::flush_later(Flushable& connection) {
  if (connection.flush_wanted_) return;
  connection.flush_wanted_ = true;
  flushes_.push_back(&connection);
}

void IoThread::forget_flush(Flushable& connection) {
  if (!connection.flush_wanted_) return;
  connection.flush_wanted_ = false;
  std::erase(flushes_, &connection);
  std::replace(flushing_.begin(), flushing_.end(), &connection, static_cast<Flushable*>(nullptr));
}

void IoThread::post(Task task) {
  if (inbox_->put(std::move(task)) == Inbox::Wake::yes) wake();
}

bool IoThread::running_here() const { return current_thread == this; }

env::TimerId IoThread::post_at(env::Instant when, Task task) {
  if (running_here()) {
    env::TimerId id = timers_->add(when, std::move(task));
    arm_timer();
    return id;
  }
  env::TimerId id = kRemoteId | timers_->remote_ids.fetch_add(1, std::memory_order_relaxed);
  post([this, id, when, t = std::move(task)]() mutable {
    timers_->add_remote(id, when, std::move(t));
    arm_timer();
  });
  return id;
}

void IoThread::cancel(env::TimerId id) {
  if (id == 0 || timers_ == nullptr) return;
  if (!running_here()) {
    post([this, id] { cancel(id); });
    return;
  }
  if (id & kRemoteId) {
    timers_->remove_remote(id, batch_number_);
  } else {
    timers_->remove(id);
  }
}

// A cancelled earliest timer leaves the system's timer armed: it fires once for nothing, which is cheaper than
// re-arming for each call.
void IoThread::arm_timer() {
  if (timers_->empty()) return;
  env::Instant earliest = timers_->earliest();
  if (timers_->armed_for && *timers_->armed_for <= earliest) return;
  timers_->armed_for = earliest;
  timers_->asio_timer.expires_after(std::max(earliest - clock_.now(), env::Duration(0)));
  timers_->asio_timer.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    timers_->armed_for.reset();
    env::Instant now = clock_.now();
    while (!timers_->empty() && timers_->earliest() <= now) timers_->pop()();
    arm_timer();
  });
}

struct IoPool::Runner {
  std::thread thread;
};

IoPool::IoPool(const env::Clock& clock, size_t threads, const std::string& name) {
  CHECK(threads > 0, "an I/O pool needs a thread");
  for (size_t i = 0; i < threads; ++i)
    threads_.push_back(std::make_unique<IoThread>(clock, name + "-" + std::to_string(i)));
}

IoPool::~IoPool() { stop(); }

void IoPool::start() {
  CHECK(runners_.empty(), "an I/O pool starts once");
  for (auto& io : threads_) {
    auto runner = std::make_unique<Runner>();
    runner->thread = std::thread([&io = *io] { io.run(); });
    runners_.push_back(std::move(runner));
  }
}

void IoPool::stop() {
  for (auto& io : threads_) io->stop();
  for (auto& runner : runners_)
    if (runner->thread.joinable()) runner->thread.join();
}

IoThread& IoPool::least_loaded() {
  size_t start = next_.fetch_add(1, std::memory_order_relaxed);
  size_t best = start % threads_.size();
  for (size_t i = 1; i < threads_.size(); ++i) {
    size_t candidate = (start + i) % threads_.size();
    if (threads_[candidate]->connections() < threads_[best]->connections()) best = candidate;
  }
  return *threads_[best];
}

}  // namespace holdfast::net
