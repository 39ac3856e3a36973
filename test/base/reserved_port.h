#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "base/check.h"

namespace holdfast::test {

// Binds a new TCP socket to a free port of 127.0.0.1, and says which.
inline int bind_to_free_port(int socket) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  CHECK(::bind(socket, reinterpret_cast<sockaddr*>(&address), size) == 0);
  CHECK(::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  return ntohs(address.sin_port);
}

// A port of 127.0.0.1 for a server that a test starts, whether it is up or down. A socket bound and
// not listening keeps the kernel from giving the port to anyone who asks for a free one, or who
// connects; with SO_REUSEADDR, set when the port is had, it lets in a server that sets the same, as
// all of Go's do.
class ReservedPort {
 public:
  ReservedPort() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), number_(bind_to_free_port(socket_)) {
    const int yes = 1;
    CHECK(::setsockopt(socket_, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0);
  }
  ReservedPort(const ReservedPort&) = delete;
  ReservedPort& operator=(const ReservedPort&) = delete;
  ~ReservedPort() { ::close(socket_); }

  std::string url() const { return "http://127.0.0.1:" + std::to_string(number_); }

 private:
  const int socket_;
  const int number_;
};

}  // namespace holdfast::test
