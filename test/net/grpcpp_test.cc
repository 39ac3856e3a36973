// The C++ gRPC library as a client, with its generic stub: no generated code is needed.
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/support/byte_buffer.h>
#include <gtest/gtest.h>

#include "test/net/fixture.h"

namespace holdfast::net {
namespace {

grpc::ByteBuffer buffer_of(const std::string& text) {
  grpc::Slice slice(text);
  return grpc::ByteBuffer(&slice, 1);
}
std::string text_of(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  if (!buffer.Dump(&slices).ok()) return "";
  std::string out;
  for (auto& s : slices) out.append(reinterpret_cast<const char*>(s.begin()), s.size());
  return out;
}

class Grpcpp : public ::testing::Test {
 protected:
  EchoServer server{2};
  std::shared_ptr<grpc::Channel> channel = grpc::CreateChannel(
      "127.0.0.1:" + std::to_string(server.listener->port()), grpc::InsecureChannelCredentials());
  grpc::GenericStub stub{channel};
  grpc::CompletionQueue queue;

  void wait() {
    void* tag = nullptr;
    bool ok = false;
    ASSERT_TRUE(queue.Next(&tag, &ok));
  }
  grpc::Status unary(grpc::ClientContext& context, const std::string& path, const std::string& request,
                     std::string* answer) {
    auto rpc = stub.PrepareUnaryCall(&context, path, buffer_of(request), &queue);
    grpc::ByteBuffer got;
    grpc::Status status;
    rpc->StartCall();
    rpc->Finish(&got, &status, nullptr);
    wait();
    if (status.ok()) *answer = text_of(got);
    return status;
  }
};

TEST_F(Grpcpp, UnaryAndErrors) {
  std::string answer;
  for (size_t size : {0ul, 10ul, 100000ul, 2000000ul}) {
    grpc::ClientContext context;
    ASSERT_TRUE(unary(context, "/test.Echo/Unary", std::string(size, 'g'), &answer).ok());
    EXPECT_EQ(answer, std::string(size, 'g'));
  }
  grpc::ClientContext fail, unknown, late, zipped;
  grpc::Status status = unary(fail, "/test.Echo/Fail", "", &answer);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(status.error_message(), "because: 100% ü");
  status = unary(unknown, "/no.Such/Method", "", &answer);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_EQ(status.error_message(), "unknown service no.Such");
  late.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(50));
  EXPECT_EQ(unary(late, "/test.Echo/Hang", "", &answer).error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  zipped.set_compression_algorithm(GRPC_COMPRESS_GZIP);
  status = unary(zipped, "/test.Echo/Unary", std::string(10000, 'z'), &answer);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNIMPLEMENTED) << status.error_message();
}

TEST_F(Grpcpp, Metadata) {
  grpc::ClientContext context;
  context.AddMetadata("token-bin", std::string("\0\xff", 2));
  std::string answer;
  ASSERT_TRUE(unary(context, "/test.Echo/Metadata", "token-bin", &answer).ok());
  EXPECT_EQ(answer, std::string("\0\xff", 2));
  EXPECT_EQ(context.GetServerInitialMetadata().count("raw-bin"), 1u);
  EXPECT_EQ(context.GetServerTrailingMetadata().count("after"), 1u);
}

TEST_F(Grpcpp, BidiStream) {
  grpc::ClientContext context;
  auto rpc = stub.PrepareCall(&context, "/test.Echo/Bidi", &queue);
  rpc->StartCall(nullptr);
  wait();
  for (int i = 0; i < 100; ++i) {
    std::string text(static_cast<size_t>(i) * 1000, 's');
    rpc->Write(buffer_of(text), nullptr);
    wait();
    grpc::ByteBuffer got;
    rpc->Read(&got, nullptr);
    wait();
    ASSERT_EQ(text_of(got), text);
  }
  rpc->WritesDone(nullptr);
  wait();
  grpc::Status status;
  rpc->Finish(&status, nullptr);
  wait();
  EXPECT_TRUE(status.ok()) << status.error_message();
}

}  // namespace
}  // namespace holdfast::net
