// Serves the methods of fixture.h until its standard input ends; for h2load and other clients by hand:
//   net_echo_server [port] [threads] < /dev/tty
#include <cstdio>
#include <cstdlib>

#include "test/net/fixture.h"

int main(int argc, char** argv) {
  using namespace holdfast::net;
  ListenerOptions options;
  if (argc > 1) options.port = static_cast<uint16_t>(std::atoi(argv[1]));
  EchoServer server(argc > 2 ? static_cast<size_t>(std::atoi(argv[2])) : 1, options);
  if (!server.started.ok()) {
    std::fprintf(stderr, "%s\n", server.started.ToString().c_str());
    return 1;
  }
  std::printf("%d\n", server.listener->port());
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  return 0;
}
