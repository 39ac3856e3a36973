// Other people's clients: curl, nghttp, h2load. Each test is skipped where the program is missing.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <mutex>

#include "fmt/format.h"
#include "net/grpc_client.h"
#include "net/http_client.h"
#include "net/tls_files.h"
#include "test/net/fixture.h"

namespace holdfast::net {
namespace {

bool missing(const std::string& program) {
  return std::system(("command -v " + program + " >/dev/null 2>&1").c_str()) != 0;
}

std::string output_of(const std::string& command) {
  std::string out;
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  char buffer[4096];
  while (size_t n = fread(buffer, 1, sizeof buffer, pipe)) out.append(buffer, n);
  pclose(pipe);
  return out;
}

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

class TempFolder {
 public:
  TempFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "net-test-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~TempFolder() { std::filesystem::remove_all(path_); }
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  std::string write(const std::string& name, std::string_view bytes) const {
    std::ofstream(file(name), std::ios::binary) << bytes;
    return file(name);
  }

 private:
  std::string path_;
};

std::string url(const EchoServer& server, const std::string& path, const std::string& scheme = "http") {
  return scheme + "://127.0.0.1:" + std::to_string(server.listener->port()) + path;
}

TEST(Clients, CurlHttp1) {
  if (missing("curl")) GTEST_SKIP() << "no curl";
  EchoServer server(2);
  TempFolder folder;
  EXPECT_EQ(output_of("curl -s -m 20 " + url(server, "/chunks")), "piece 0\npiece 1\npiece 2\n");
  std::string body(3'000'000, 'c');
  std::string file = folder.write("body", body);
  EXPECT_EQ(output_of("curl -s -m 20 --data-binary @" + file + " " + url(server, "/echo") + " | wc -c"), "3000000\n");
  EXPECT_EQ(output_of("curl -s -m 20 -H 'Transfer-Encoding: chunked' --data-binary @" + file + " " + url(server, "/echo") + " | wc -c"), "3000000\n");
  EXPECT_TRUE(has(output_of("curl -s -m 20 -I " + url(server, "/later")), "Content-Length: 6"));
  EXPECT_TRUE(has(output_of("curl -s -m 20 -o /dev/null -w '%{http_code}' " + url(server, "/nope")), "404"));
}

// HTTP-01: on plain text, HTTP/2 is gRPC's alone.
TEST(Clients, CurlHttp2PriorKnowledge) {
  if (missing("curl")) GTEST_SKIP() << "no curl";
  EchoServer server(1);
  TempFolder folder;
  std::string body = folder.write("body", std::string("\0\0\0\0\3abc", 8));
  std::string call = "curl -s -m 20 -i --http2-prior-knowledge -H 'te: trailers' --data-binary @" + body;
  std::string answer = output_of(call + " -H 'content-type: application/grpc' " + url(server, "/test.Echo/Unary"));
  EXPECT_TRUE(has(answer, "HTTP/2 200"));
  EXPECT_TRUE(has(answer, "grpc-status: 0"));
  EXPECT_TRUE(has(answer, "abc"));
  EXPECT_TRUE(has(output_of(call + " -H 'content-type: text/plain' " + url(server, "/echo")), "HTTP/2 415"));
  EchoServer all(1, {.http2_plain_text = ListenerOptions::Http2Requests::all});
  answer = output_of(call + " -H 'content-type: text/plain' " + url(all, "/echo"));
  EXPECT_TRUE(has(answer, "HTTP/2 200")) << answer;
  EXPECT_TRUE(has(answer, "abc"));
  EXPECT_TRUE(has(output_of("curl -s -m 20 -i --http2-prior-knowledge " + url(all, "/chunks")), "piece 2"));
}

TEST(Clients, Nghttp) {
  if (missing("nghttp")) GTEST_SKIP() << "no nghttp";
  EchoServer server(1);
  TempFolder folder;
  std::string body = folder.write("body", std::string("\0\0\0\0\3abc", 8));
  std::string answer = output_of("nghttp -v -t 20 -H ':method: POST' -H 'content-type: application/grpc' -H 'te: trailers' -d " +
                                 body + " " + url(server, "/test.Echo/Fail"));
  EXPECT_TRUE(has(answer, "grpc-status: 9")) << answer;
  EXPECT_TRUE(has(answer, "grpc-message: because: 100%25 %C3%BC"));
}

TEST(Clients, H2load) {
  if (missing("h2load")) GTEST_SKIP() << "no h2load";
  EchoServer server(2);
  TempFolder folder;
  std::string body = folder.write("body", std::string(5, '\0'));
  std::string answer = output_of("timeout 60 h2load -n 20000 -c 10 -m 50 -d " + body +
                                 " -H 'content-type: application/grpc' -H 'te: trailers' " + url(server, "/test.Echo/Unary"));
  EXPECT_TRUE(has(answer, "20000 succeeded, 0 failed, 0 errored")) << answer;
}

// TRP-68, TLS-08
class Tls : public ::testing::Test {
 protected:
  void SetUp() override {
    if (missing("openssl") || missing("curl")) GTEST_SKIP() << "no openssl or curl";
    auto run = [&](const std::string& command) {
      ASSERT_EQ(std::system(("cd " + folder.file("") + " && " + command + " >/dev/null 2>&1").c_str()), 0) << command;
    };
    run("openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=test-ca");
    for (std::string name : {"server", "client"}) {
      run("openssl req -newkey rsa:2048 -nodes -keyout " + name + ".key -out " + name + ".csr -subj /CN=" + name + "-name");
      folder.write("ext", "subjectAltName=IP:127.0.0.1,DNS:localhost\n");
      run("openssl x509 -req -in " + name + ".csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile ext -out " + name + ".pem");
    }
  }
  TlsOptions options(TlsOptions::ClientCertificate mode = TlsOptions::ClientCertificate::ignored) {
    return {.certificate_file = folder.file("server.pem"), .key_file = folder.file("server.key"),
            .trusted_ca_file = folder.file("ca.pem"), .client_certificate = mode};
  }
  TempFolder folder;
};

TEST_F(Tls, BothProtocolsOnOnePort) {
  EchoServer server(1, {.tls = options()});
  ASSERT_TRUE(server.started.ok()) << server.started;
  std::string curl = "curl -s -m 20 -i --cacert " + folder.file("ca.pem") + " ";
  std::string http1 = output_of(curl + "--http1.1 " + url(server, "/chunks", "https"));
  EXPECT_TRUE(has(http1, "HTTP/1.1 200")) << http1;
  EXPECT_TRUE(has(http1, "piece 2"));
  std::string http2 = output_of(curl + url(server, "/chunks", "https"));
  EXPECT_TRUE(has(http2, "HTTP/2 200")) << http2;
  std::string body = folder.write("body", std::string("\0\0\0\0\3abc", 8));
  std::string grpc = output_of(curl + "-H 'content-type: application/grpc' --data-binary @" + body + " " + url(server, "/test.Echo/Unary", "https"));
  EXPECT_TRUE(has(grpc, "grpc-status: 0")) << grpc;
  EXPECT_EQ(output_of("curl -s -m 20 --tls-max 1.1 --cacert " + folder.file("ca.pem") + " " + url(server, "/chunks", "https")), "");
  EXPECT_EQ(output_of("curl -s -m 20 " + url(server, "/chunks")), "");  // plain text on a TLS port
  std::string large = folder.write("large", std::string(3'000'000, 'c'));
  EXPECT_EQ(output_of("curl -s -m 20 --cacert " + folder.file("ca.pem") + " --data-binary @" + large + " " + url(server, "/echo", "https") + " | wc -c"), "3000000\n");
}

TEST_F(Tls, ClientCertificates) {
  EchoServer server(1, {.tls = options(TlsOptions::ClientCertificate::required)});
  std::string curl = "curl -s -m 20 --cacert " + folder.file("ca.pem") + " ";
  EXPECT_EQ(output_of(curl + url(server, "/later", "https")), "");
  std::string with = curl + "--cert " + folder.file("client.pem") + " --key " + folder.file("client.key") + " ";
  EXPECT_EQ(output_of(with + url(server, "/peer", "https")), "client-name verified");
}

TEST_F(Tls, PlainTextBesideTls) {
  EchoServer server(1, {.tls = options(), .plain_text_beside_tls = ListenerOptions::PlainText::served});
  EXPECT_EQ(output_of("curl -s -m 20 " + url(server, "/later")), "later\n");
  EXPECT_EQ(output_of("curl -s -m 20 --cacert " + folder.file("ca.pem") + " " + url(server, "/later", "https")), "later\n");
}

TEST_F(Tls, OwnClients) {
  EchoServer server(1, {.tls = options()});
  SystemClock clock;
  IoPool pool(clock, 1, "client");
  pool.start();
  auto ask = [&](TlsClientOptions tls) {
    std::promise<absl::Status> answer;
    std::unique_ptr<GrpcClient> client;
    pool.at(0).post([&] {
      client = std::make_unique<GrpcClient>(pool.at(0), GrpcClientOptions{.port = server.listener->port(), .tls = tls});
      client->unary("/test.Echo/Unary", std::string(100000, 'x'), {},
                    [&](const absl::Status& s, std::string_view) { answer.set_value(s); });
    });
    return answer.get_future().get();
  };
  EXPECT_TRUE(ask({.trusted_ca_file = folder.file("ca.pem"), .server_name = "localhost"}).ok());
  EXPECT_TRUE(ask({.trusted_ca_file = folder.file("ca.pem"), .server_name = "127.0.0.1"}).ok());
  EXPECT_EQ(ask({.trusted_ca_file = folder.file("ca.pem"), .server_name = "elsewhere"}).code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ask({.server_name = "localhost"}).code(), absl::StatusCode::kUnavailable);
  pool.stop();
}

std::string why_refused(IoPool& pool, uint16_t port, const TlsClientOptions& tls) {
  std::promise<absl::Status> answer;
  std::unique_ptr<HttpClient> client;
  pool.at(0).post([&] {
    client = std::make_unique<HttpClient>(pool.at(0), HttpClientOptions{.port = port, .tls = tls});
    client->send({.target = "/later"}, [&](const absl::Status& s, HttpResponse) { answer.set_value(s); });
  });
  return std::string(answer.get_future().get().message());
}

// TLS-01: a dial parses no file that is still the same, and takes up one that was replaced.
TEST_F(Tls, FilesAreParsedOncePerChange) {
  EchoServer server(1, {.tls = options()});
  SystemClock clock;
  IoPool pool(clock, 1, "client");
  pool.start();
  const std::string authority = folder.write("authority.pem", output_of("cat " + folder.file("ca.pem")));
  const auto cache = std::make_shared<TlsFileCache>(std::vector{authority});
  const TlsClientOptions client{.trusted_ca_file = authority,
                                .server_name = "localhost",
                                .protocols = TlsClientOptions::Protocols::http1,
                                .cache = cache};
  for (int i = 0; i < 3; ++i) EXPECT_EQ(why_refused(pool, server.listener->port(), client), "");
  EXPECT_EQ(cache->times_made(), 1u);
  output_of("cp " + folder.file("client.pem") + " " + authority);
  EXPECT_EQ(why_refused(pool, server.listener->port(), client),
            "tls: failed to verify certificate: x509: certificate signed by unknown authority");
  EXPECT_EQ(cache->times_made(), 2u);
  output_of("rm " + authority);
  EXPECT_NE(why_refused(pool, server.listener->port(), client), "");
  EXPECT_EQ(cache->times_made(), 2u) << "a failure is not kept";
  output_of("cp " + folder.file("ca.pem") + " " + authority);
  EXPECT_EQ(why_refused(pool, server.listener->port(), client), "");
  pool.stop();
}

// TLS-03, TLS-04: who is refused hears why, in Go's words, and the server says whom it refused.
TEST_F(Tls, RefusalsAreTold) {
  struct Lines final : Logger {
    void write(LogLevel, std::string_view message, const std::vector<LogField>& fields, const char*, int) override {
      std::string line(message);
      for (const LogField& field : fields)
        if (field.name != "remote-addr") line += fmt::format(" {}={}", field.name, field.json);
      std::lock_guard lock(mutex);
      all += line + "\n";
      written.notify_all();
    }
    bool enabled(LogLevel level) const override { return level >= LogLevel::warn; }
    std::mutex mutex;
    std::condition_variable written;
    std::string all;
  } log;
  SystemClock clock;
  IoPool pool(clock, 2, "refusing");
  pool.start();
  EchoHttp http;
  ListenerOptions listening{.tls = options(TlsOptions::ClientCertificate::required), .refusal_message = "rejected"};
  listening.tls->allowed_common_names = {"somebody-else"};
  Listener listener(pool, listening, log, nullptr, &http);
  ASSERT_TRUE(listener.start().ok());
  TlsClientOptions client{.trusted_ca_file = folder.file("ca.pem"),
                          .server_name = "localhost",
                          .protocols = TlsClientOptions::Protocols::http1};
  EXPECT_EQ(why_refused(pool, listener.port(), client), "remote error: tls: certificate required");
  client.certificate_file = folder.file("client.pem");
  client.key_file = folder.file("client.key");
  EXPECT_EQ(why_refused(pool, listener.port(), client), "remote error: tls: bad certificate");
  client.server_name = "elsewhere";
  EXPECT_TRUE(has(why_refused(pool, listener.port(), client),
                  "tls: failed to verify certificate: x509: certificate is valid for localhost, not elsewhere"));
  output_of("curl -s -m 20 " + fmt::format("http://127.0.0.1:{}/later", listener.port()));
  std::unique_lock lock(log.mutex);
  log.written.wait_for(lock, std::chrono::seconds(20), [&] { return has(log.all, "first record"); });
  for (const char* line :
       {"rejected server-name=\"localhost\" error=\"tls: client didn't provide a certificate\"\n",
        "error=\"client certificate authentication failed\"\n",
        "rejected server-name=\"elsewhere\" error=\"remote error: tls: bad certificate\"\n",
        "rejected server-name=\"\" error=\"tls: first record does not look like a TLS handshake\"\n"})
    EXPECT_TRUE(has(log.all, line)) << line << "in\n" << log.all;
}

TEST_F(Tls, UnusableFilesAreNamed) {
  TlsOptions bad = options();
  bad.key_file = folder.file("absent.key");
  EchoServer server(1, {.tls = bad});
  EXPECT_EQ(server.started.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(has(std::string(server.started.message()), "absent.key")) << server.started;
}

}  // namespace
}  // namespace holdfast::net
