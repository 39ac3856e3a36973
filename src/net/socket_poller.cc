#include "net/socket_poller.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/check.h"

namespace holdfast::net {

SocketPoller::SocketPoller() : descriptor_(::epoll_create1(EPOLL_CLOEXEC)) {
  CHECK(descriptor_ >= 0, "no file descriptor left for an I/O thread");
}

SocketPoller::~SocketPoller() { ::close(descriptor_); }

bool SocketPoller::add(int socket, Pollable& who) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.ptr = &who;
  return ::epoll_ctl(descriptor_, EPOLL_CTL_ADD, socket, &event) == 0;
}

void SocketPoller::remove(int socket, Pollable& who) {
  ::epoll_ctl(descriptor_, EPOLL_CTL_DEL, socket, nullptr);
  std::erase(again_, &who);
  std::replace(repeating_.begin(), repeating_.end(), &who, static_cast<Pollable*>(nullptr));
  std::replace(std::begin(told_), std::end(told_), &who, static_cast<Pollable*>(nullptr));
}

void SocketPoller::poll() {
  repeating_.swap(again_);
  for (size_t i = 0; i < repeating_.size(); ++i)
    if (Pollable* who = std::exchange(repeating_[i], nullptr)) who->on_ready({.readable = true});
  repeating_.clear();

  epoll_event events[kEventsPerPoll];
  const int count = ::epoll_wait(descriptor_, events, kEventsPerPoll, 0);
  more_ = count == kEventsPerPoll;
  for (int i = 0; i < count; ++i) told_[i] = static_cast<Pollable*>(events[i].data.ptr);
  for (int i = 0; i < count; ++i) {
    const uint32_t e = events[i].events;
    const bool ended = (e & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    if (Pollable* who = std::exchange(told_[i], nullptr))
      who->on_ready({.readable = ended || (e & EPOLLIN) != 0, .writable = ended || (e & EPOLLOUT) != 0, .ended = ended});
  }
}

}  // namespace holdfast::net
