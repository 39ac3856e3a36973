// The I/O threads: each runs one event loop, and every connection lives and dies on the loop that accepted it. An
// IoThread is an env::Executor, so an answer made by another owner comes back with executor.post().
//
// One turn of the loop: wait for events; handle those that are there; run what was posted; then write, once per
// connection, everything that the turn produced. A hundred answers posted by one apply batch therefore cost one wake-up
// and one send() per connection.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/task.h"
#include "env/clock.h"
#include "env/executor.h"
#include "net/socket_poller.h"

namespace boost::asio {
class io_context;
}

namespace holdfast::net {

// Something with output that is written at the end of the loop's turn. For connections.
class Flushable {
 public:
  virtual ~Flushable() = default;
  virtual void flush() = 0;

 private:
  friend class IoThread;
  bool flush_wanted_ = false;
};

class IoThread final : public env::Executor {
 public:
  // `clock` must outlive the thread. `name` is what the system shows for it (15 characters at most).
  IoThread(const env::Clock& clock, std::string name);
  ~IoThread() override;
  IoThread(const IoThread&) = delete;
  IoThread& operator=(const IoThread&) = delete;

  // Runs the loop on the calling thread until stop(). Once.
  void run();
  // Thread-safe. run() returns after the current turn; tasks not yet run are destroyed without being run.
  void stop();

  // env::Executor. post() wakes the loop at most once per turn, whoever posts how much.
  void post(Task task) override;
  env::TimerId post_at(env::Instant when, Task task) override;
  void cancel(env::TimerId id) override;
  const env::Clock& clock() const override { return clock_; }
  bool running_here() const override;

  // Below: on this thread only (or before run()), for net/ itself.
  boost::asio::io_context& context() { return *context_; }  // for what is rare: accepting, connecting, names
  SocketPoller& sockets() { return sockets_; }
  // flush() is called once before the loop waits again. May be asked for again from within flush(): next turn.
  void flush_later(Flushable& connection);
  void forget_flush(Flushable& connection);
  // Scratch memory shared by the thread's connections, so that an idle one holds no buffers; valid until the handler
  // that uses it returns.
  struct Scratch {
    static constexpr size_t kBytes = 256 * 1024;
    std::unique_ptr<char[]> read{new char[kBytes]};     // from the socket
    std::unique_ptr<char[]> decrypted{new char[kBytes]};
    std::string write;                                  // to the socket
    std::string encrypted;
  };
  Scratch& scratch() { return scratch_; }

  // Thread-safe. How many connections are assigned to this thread.
  size_t connections() const { return connections_.load(std::memory_order_relaxed); }
  void count_connection(int delta) { connections_.fetch_add(delta, std::memory_order_relaxed); }

 private:
  class Timers;
  class Inbox;
  class SocketsAwaited;

  void turn();
  void run_posted();
  void run_flushes();
  void arm_timer();
  void wake();

  const env::Clock& clock_;
  const std::string name_;
  SocketPoller sockets_;
  std::unique_ptr<boost::asio::io_context> context_;
  std::unique_ptr<SocketsAwaited> sockets_awaited_;
  std::unique_ptr<Inbox> inbox_;
  std::unique_ptr<Timers> timers_;
  Scratch scratch_;
  std::vector<Flushable*> flushes_;
  std::vector<Flushable*> flushing_;
  std::vector<Task> batch_;
  uint64_t batch_number_ = 0;
  std::atomic<size_t> connections_{0};
  std::atomic<bool> stopped_{false};
};

// N I/O threads. Threads start with start() and end with stop() (or the destructor). Everything that holds calls,
// exchanges or clients of these threads must have let go of them before the pool is destroyed.
class IoPool {
 public:
  IoPool(const env::Clock& clock, size_t threads, const std::string& name = "io");
  ~IoPool();

  void start();
  void stop();  // idempotent; joins

  size_t size() const { return threads_.size(); }
  IoThread& at(size_t i) { return *threads_[i]; }
  // The thread with the fewest connections; ties go round robin. Thread-safe.
  IoThread& least_loaded();

 private:
  struct Runner;
  std::vector<std::unique_ptr<IoThread>> threads_;
  std::vector<std::unique_ptr<Runner>> runners_;
  std::atomic<size_t> next_{0};
};

}  // namespace holdfast::net
