// A client port on a loopback socket over a V3World, and a bare blocking HTTP/1.1 client.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "fmt/format.h"
#include "net/listener.h"
#include "os/system_clock.h"
#include "rpc/gateway.h"
#include "rpc/grpc_services.h"
#include "rpc/http_endpoints.h"
#include "rpc/watch_service.h"
#include "test/server/cluster_world.h"
#include "test/server/lease_world.h"

namespace holdfast::rpc {

struct HttpAnswer {
  int status = 0;
  std::string head;  // status line and fields, as sent
  std::string body;
  // Case-sensitive, as sent; empty if absent.
  std::string field(const std::string& name) const {
    const size_t at = head.find("\r\n" + name + ": ");
    if (at == std::string::npos) return "";
    const size_t from = at + name.size() + 4;
    return head.substr(from, head.find("\r\n", from) - from);
  }
};

struct RpcWorld {
  struct Options {
    server::V3Server::Options v3;
    GrpcServices::Options grpc;
    HttpEndpoints::Options http;
    net::GrpcOptions net;
    WatchService::Options watch;
  };
  explicit RpcWorld(Options options = {})
      : w(options.v3),
        pool(clock, 1),
        cluster(w, pool.at(0), clock),
        leases(pool.at(0), w.proposer, w.reader, w.member, w.metrics, w.log),
        services({*w.v3, cluster.services(), leases.requests, pool.at(0), w.metrics, w.log},
                 options.grpc),
        watch(services.rpc(), w.member.feed, w.metrics, w.log, options.watch),
        grpc(options.net, &services.observer()),
        gateway(grpc, w.log, {}),
        http({*w.v3,
              w.metrics,
              w.log,
              [] { return std::string("metric 1\n"); },
              {{"cmdline", [] { return std::string(R"(["holdfast"])"); }},
               {"file_descriptor_limit", [] { return std::string("1024"); }}},
              &gateway},
             options.http) {
    watch.register_on(grpc);
    services.register_all(grpc);
    listener.emplace(pool, net::ListenerOptions{}, w.log, &grpc, &http);
    pool.start();
    const absl::Status started = listener->start();
    EXPECT_TRUE(started.ok()) << started;
    services.start();
  }
  ~RpcWorld() {
    listener.reset();
    pool.stop();
  }

  HttpAnswer http_request(const std::string& method, const std::string& target,
                          const std::string& fields = "Host: localhost\r\n",
                          const std::string& body = "") {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(listener->port());
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    const std::string request =
        fmt::format("{} {} HTTP/1.1\r\n{}Connection: close\r\n{}\r\n{}", method, target, fields,
                    body.empty() ? "" : fmt::format("Content-Length: {}\r\n", body.size()), body);
    EXPECT_EQ(write(fd, request.data(), request.size()), static_cast<ssize_t>(request.size()));
    std::string all;
    char buffer[4096];
    for (ssize_t n; (n = ::read(fd, buffer, sizeof buffer)) > 0;) all.append(buffer, n);
    close(fd);
    HttpAnswer answer;
    const size_t end = all.find("\r\n\r\n");
    EXPECT_NE(end, std::string::npos) << all;
    if (end == std::string::npos) return answer;
    answer.head = all.substr(0, end + 2);
    answer.body = all.substr(end + 4);
    answer.status = std::stoi(all.substr(9, 3));
    return answer;
  }
  HttpAnswer get(const std::string& target) { return http_request("GET", target); }

  server::V3World w;
  os::SystemClock clock;
  net::IoPool pool;
  server::ClusterWorld cluster;
  server::LeaseWorld leases;
  GrpcServices services;
  WatchService watch;
  net::GrpcServer grpc;
  Gateway gateway;
  HttpEndpoints http;
  std::optional<net::Listener> listener;
};

}  // namespace holdfast::rpc
