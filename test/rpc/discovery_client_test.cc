#include "rpc/discovery_client.h"

#include "base/errors.h"
#include "gtest/gtest.h"

namespace holdfast::rpc {
namespace {

using std::chrono::seconds;

net::GrpcClientOptions endpoint(const std::string& text, const DiscoveryClientOptions& options = {}) {
  auto parsed = discovery_endpoint(text, options);
  EXPECT_TRUE(parsed.ok()) << text << ": " << parsed.status();
  return parsed.ok() ? *parsed : net::GrpcClientOptions();
}

// F-036
TEST(DiscoveryEndpoint, HostsAndUrls) {
  for (const char* text : {"10.0.0.1:2379", "http://10.0.0.1:2379", "https://10.0.0.1:2379", "https://10.0.0.1:2379/x"}) {
    const net::GrpcClientOptions parsed = endpoint(text);
    EXPECT_EQ(parsed.address, "10.0.0.1") << text;
    EXPECT_EQ(parsed.port, 2379) << text;
    EXPECT_EQ(parsed.authority, "10.0.0.1:2379") << text;
  }
  EXPECT_EQ(endpoint("[::1]:2379").address, "::1");
  EXPECT_EQ(endpoint("[::1]:2379").authority, "[::1]:2379");
  EXPECT_EQ(endpoint("unix:///run/etcd.sock:1").unix_path, "/run/etcd.sock:1");
  EXPECT_EQ(endpoint("unix://localhost:m1").unix_path, "localhost:m1");
  EXPECT_EQ(endpoint("unix:relative").unix_path, "relative");
  for (const char* bad : {"", "host", ":2379", "http://host", "http://:1", "host:port", "host:99999", "unix://"})
    EXPECT_FALSE(discovery_endpoint(bad, {}).ok()) << bad;
}

// F-042, F-043, F-044: https always has TLS, http never, others if there are settings for it.
TEST(DiscoveryEndpoint, TlsByScheme) {
  DiscoveryClientOptions with_tls;
  with_tls.tls = net::TlsClientOptions{.trusted_ca_file = "ca.pem"};
  EXPECT_FALSE(endpoint("host:1").tls);
  EXPECT_TRUE(endpoint("host:1", with_tls).tls);
  EXPECT_FALSE(endpoint("http://host:1", with_tls).tls);
  EXPECT_FALSE(endpoint("unix://a", {}).tls);
  EXPECT_TRUE(endpoint("unix://a", with_tls).tls);
  ASSERT_TRUE(endpoint("https://host:1").tls);
  EXPECT_EQ(endpoint("https://host:1").tls->trusted_ca_file, "") << "the system's";
  EXPECT_EQ(endpoint("https://host:1", with_tls).tls->trusted_ca_file, "ca.pem");
  EXPECT_EQ(endpoint("https://host:1").tls->server_name, "host");
  EXPECT_EQ(endpoint("unixs:///run/name:1").tls->server_name, "name");
}

// F-038, F-040, F-041: a server sends away who pings more often than it allows.
TEST(DiscoveryEndpoint, Times) {
  DiscoveryClientOptions options;
  options.dial_timeout = seconds(3);
  options.keepalive_timeout = seconds(4);
  EXPECT_EQ(endpoint("host:1", options).connect_timeout, seconds(3));
  EXPECT_EQ(endpoint("host:1", options).ping_after_idle, seconds(10));
  EXPECT_EQ(endpoint("host:1", options).ping_timeout, seconds(4));
  options.keepalive_time = seconds(30);
  EXPECT_EQ(endpoint("host:1", options).ping_after_idle, seconds(30));
  options.keepalive_time = {};
  EXPECT_EQ(endpoint("host:1", options).ping_after_idle, seconds(0));
}

}  // namespace
}  // namespace holdfast::rpc
