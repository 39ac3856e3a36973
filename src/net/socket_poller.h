// Which sockets of an I/O thread have something to read or room to write. A socket is registered once, for both and for
// changes only (EPOLLET): waiting for the next request then costs no system call, where Boost.Asio's wait makes one a
// request, a tenth of what a small request costs.
//
// Threading: everything on the I/O thread, or before it runs.
#pragma once

#include <cstdint>
#include <vector>

namespace holdfast::net {

// What the kernel last said about a socket. `ended`: the peer sends no more, or the socket failed.
struct SocketEvents {
  bool readable = false;
  bool writable = false;
  bool ended = false;
};

class Pollable {
 public:
  virtual ~Pollable() = default;
  // Only changes are told: who leaves bytes unread, or has not been told by the kernel that there are none left
  // (EAGAIN, or fewer bytes than asked for and not `ended`), must come back by itself (SocketPoller::again()).
  virtual void on_ready(SocketEvents events) = 0;
};

class SocketPoller {
 public:
  SocketPoller();
  ~SocketPoller();
  SocketPoller(const SocketPoller&) = delete;
  SocketPoller& operator=(const SocketPoller&) = delete;

  // `socket` must be non-blocking, and stay open until remove(). False (errno is set) if the kernel refuses.
  bool add(int socket, Pollable& who);
  void remove(int socket, Pollable& who);
  // on_ready({.readable}) at the next poll(), without new bytes having come.
  void again(Pollable& who) { again_.push_back(&who); }

  // Tells up to kEventsPerPoll sockets what happened; never waits.
  void poll();
  bool has_work() const { return more_ || !again_.empty(); }
  // Readable when poll() would find something. For the loop to sleep on.
  int descriptor() const { return descriptor_; }

 private:
  // So few that a busy socket can't hold answers back, and that other owners get work while this thread goes on reading.
  static constexpr int kEventsPerPoll = 16;

  const int descriptor_;
  bool more_ = false;  // the last poll() may have left some
  std::vector<Pollable*> again_;
  // Whose turn it still is in the running poll(); null: removed meanwhile.
  std::vector<Pollable*> repeating_;
  Pollable* told_[kEventsPerPoll] = {};
};

}  // namespace holdfast::net
