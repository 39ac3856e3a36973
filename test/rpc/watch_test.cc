// The watch service over a real socket, asked by grpc++.
#include <gmock/gmock.h>

#include "rpc.pb.h"
#include "test/rpc/grpc_world.h"

namespace holdfast::rpc {
namespace {

namespace pb = etcdserverpb;

class WatchTest : public testing::Test {
 protected:
  using Stream = ::grpc::ClientReaderWriter<pb::WatchRequest, pb::WatchResponse>;

  std::unique_ptr<Stream> open(GrpcWorld& world, ::grpc::ClientContext* context) {
    const ::grpc::internal::RpcMethod method("/etcdserverpb.Watch/Watch", ::grpc::internal::RpcMethod::BIDI_STREAMING);
    return std::unique_ptr<Stream>(
        ::grpc::internal::ClientReaderWriterFactory<pb::WatchRequest, pb::WatchResponse>::Create(
            world.channel.get(), method, context));
  }
  static pb::WatchRequest create(const std::string& key, const std::string& end = {}) {
    pb::WatchRequest request;
    request.mutable_create_request()->set_key(key);
    request.mutable_create_request()->set_range_end(end);
    return request;
  }
  static pb::WatchResponse read(Stream& stream) {
    pb::WatchResponse response;
    EXPECT_TRUE(stream.Read(&response));
    return response;
  }
  static void put(GrpcWorld& world, const std::string& key, const std::string& value) {
    pb::PutRequest request;
    request.set_key(key);
    request.set_value(value);
    pb::PutResponse response;
    const ::grpc::Status status = world.call("/etcdserverpb.KV/Put", request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
  }
};

// WAT-01 WAT-08 WAT-13 WAT-20 TRP-20
TEST_F(WatchTest, CreateEventsCancel) {
  GrpcWorld world;
  ::grpc::ClientContext context;
  auto stream = open(world, &context);
  pb::WatchRequest request = create("a", "b");
  request.mutable_create_request()->set_prev_kv(true);
  ASSERT_TRUE(stream->Write(request));
  pb::WatchResponse created = read(*stream);
  EXPECT_TRUE(created.created());
  EXPECT_EQ(created.watch_id(), 0);
  EXPECT_EQ(created.header().revision(), 1);
  EXPECT_EQ(created.header().cluster_id(), 0xdefu);
  EXPECT_EQ(created.header().member_id(), 0xabcu);
  EXPECT_EQ(created.header().raft_term(), 7u);
  put(world, "a1", "x");
  put(world, "a1", "y");
  EXPECT_EQ(read(*stream).events(0).kv().value(), "x");
  const pb::WatchResponse second = read(*stream);
  EXPECT_EQ(second.events(0).prev_kv().value(), "x");
  EXPECT_EQ(second.header().revision(), 3);
  EXPECT_EQ(second.header().raft_term(), 7u);
  // What the server doesn't understand doesn't end the stream.
  ASSERT_TRUE(stream->Write(pb::WatchRequest()));
  request.Clear();
  request.mutable_cancel_request()->set_watch_id(5);  // unknown: no answer
  ASSERT_TRUE(stream->Write(request));
  request.mutable_progress_request();
  ASSERT_TRUE(stream->Write(request));
  pb::WatchResponse progress = read(*stream);
  EXPECT_EQ(progress.watch_id(), -1);
  EXPECT_EQ(progress.header().revision(), 3);
  // The stream lives on when the client has nothing more to ask.
  request.mutable_cancel_request()->set_watch_id(0);
  pb::WatchRequest last = create("a", "b");
  ASSERT_TRUE(stream->Write(request));
  EXPECT_TRUE(read(*stream).canceled());
  ASSERT_TRUE(stream->Write(last));
  ASSERT_TRUE(stream->WritesDone());
  EXPECT_EQ(read(*stream).watch_id(), 1);
  put(world, "a2", "z");
  EXPECT_EQ(read(*stream).events(0).kv().value(), "z");
  context.TryCancel();
  EXPECT_EQ(stream->Finish().error_code(), ::grpc::CANCELLED);
}

// WAT-02 WAT-03 WAT-04 VD-11
TEST_F(WatchTest, RefusedCreates) {
  GrpcWorld world;
  put(world, "k", "v");
  ::grpc::ClientContext context;
  auto stream = open(world, &context);
  pb::WatchRequest request = create("a");
  request.mutable_create_request()->set_start_revision(-1);
  ASSERT_TRUE(stream->Write(request));
  pb::WatchResponse response = read(*stream);
  EXPECT_TRUE(response.created() && response.canceled());
  EXPECT_EQ(response.watch_id(), -1);
  EXPECT_EQ(response.compact_revision(), 0);
  EXPECT_EQ(response.header().revision(), 2);
  EXPECT_EQ(response.cancel_reason(), "etcdserver: mvcc: required revision has been compacted");
  ASSERT_TRUE(stream->Write(create("b", "a")));
  EXPECT_EQ(read(*stream).cancel_reason(), "mvcc: watcher range is empty");
  // No key and end "\0": everything.
  request = create("", std::string("\0", 1));
  request.mutable_create_request()->set_start_revision(1);
  ASSERT_TRUE(stream->Write(request));
  EXPECT_TRUE(read(*stream).created());
  EXPECT_EQ(read(*stream).events(0).kv().key(), "k");
  context.TryCancel();
}

class NobodyMay : public server::OpenAccess {
 public:
  absl::Status may_range(const server::AuthInfo&, std::string_view, std::string_view) const override {
    return answer;
  }
  absl::Status answer;
};

// WAT-06 TRP-15
TEST_F(WatchTest, PermissionFailureIsWrapped) {
  server::V3World w;
  NobodyMay access;
  server::V3Server v3({w.proposer, w.reader, w.member, w.member, access, w.ids, w.world.clock, w.metrics, w.log}, {});
  struct Sink : mvcc::WatchSink {
    void send(std::string head, SharedBytes tail) override {
      EXPECT_TRUE(last.ParseFromString(head + std::string(tail.view())));
    }
    size_t waiting_bytes() const override { return 0; }
    pb::WatchResponse last;
  } sink;
  mvcc::WatchMetrics metrics(w.metrics);
  auto hub = std::make_shared<mvcc::WatchHub>(w.member.feed, w.world.owner, metrics,
                                              mvcc::WatchHub::Options{[](std::string&, Revision) {}});
  absl::StatusOr<server::AuthInfo> who = server::AuthInfo();
  WatchRequests requests({v3, hub, w.log, [&] { return who; }}, sink, {});
  const auto reason = [&] {
    requests.handle(create("a"));
    EXPECT_EQ(sink.last.watch_id(), -1);
    EXPECT_TRUE(sink.last.created() && sink.last.canceled());
    return sink.last.cancel_reason();
  };
  access.answer = error(EtcdError::permission_denied);
  EXPECT_EQ(reason(), "rpc error: code = PermissionDenied desc = etcdserver: permission denied");
  access.answer = error(EtcdError::auth_old_revision);
  EXPECT_EQ(reason(), "rpc error: code = InvalidArgument desc = etcdserver: revision of auth store is old");
  access.answer = error(EtcdError::user_empty);
  EXPECT_EQ(reason(), "rpc error: code = InvalidArgument desc = etcdserver: user name is empty");
  access.answer = absl::InternalError("something else");
  EXPECT_EQ(reason(), "rpc error: code = PermissionDenied desc = etcdserver: permission denied");
  who = error(EtcdError::invalid_auth_token);
  EXPECT_EQ(reason(), "rpc error: code = Unauthenticated desc = etcdserver: invalid auth token");
}

// GEN-08 GEN-09
TEST_F(WatchTest, LearnersAndMembersWithoutLeader) {
  RpcWorld::Options options;
  options.grpc.election_timeout = std::chrono::milliseconds(20);
  GrpcWorld world(options);
  world.w.member.learner = true;
  {
    ::grpc::ClientContext context;
    auto stream = open(world, &context);
    pb::WatchResponse response;
    EXPECT_FALSE(stream->Read(&response));
    const ::grpc::Status status = stream->Finish();
    EXPECT_EQ(status.error_code(), ::grpc::FAILED_PRECONDITION);
    EXPECT_EQ(status.error_message(), "etcdserver: rpc not supported for learner");
  }
  world.w.member.learner = false;
  ::grpc::ClientContext context;
  context.AddMetadata("hasleader", "true");
  auto stream = open(world, &context);
  ASSERT_TRUE(stream->Write(create("a")));
  EXPECT_TRUE(read(*stream).created());
  world.w.member.leader_id = 0;
  pb::WatchResponse response;
  EXPECT_FALSE(stream->Read(&response));
  const ::grpc::Status status = stream->Finish();
  EXPECT_EQ(status.error_code(), ::grpc::UNAVAILABLE);
  EXPECT_EQ(status.error_message(), "etcdserver: no leader");
}

// A client that doesn't read, over HTTP/2's windows: the server keeps a bounded part for it, others go on, and it misses
// nothing.
TEST_F(WatchTest, ClientThatDoesNotRead) {
  GrpcWorld world;
  ::grpc::ClientContext slow_context, quick_context;
  auto slow = open(world, &slow_context), quick = open(world, &quick_context);
  for (auto* stream : {slow.get(), quick.get()}) {
    ASSERT_TRUE(stream->Write(create("a")));
    EXPECT_TRUE(read(*stream).created());
  }
  const std::string value(64 * 1024, 'v');
  constexpr int kPuts = 600;  // 38 MiB, more than both sides' windows and buffers
  for (int i = 0; i < kPuts; ++i) {
    put(world, "a", value + std::to_string(i));
    ASSERT_EQ(read(*quick).events(0).kv().mod_revision(), i + 2);
  }
  int64_t next = 2;
  while (next < kPuts + 2) {
    const pb::WatchResponse response = read(*slow);
    for (const auto& event : response.events()) ASSERT_EQ(event.kv().mod_revision(), next++);
  }
  slow_context.TryCancel();
  quick_context.TryCancel();
}

// WAT-16 MET-27
TEST_F(WatchTest, ProgressAndMetrics) {
  RpcWorld::Options options;
  options.watch.progress_interval = std::chrono::milliseconds(1);  // 100 ms at least
  GrpcWorld world(options);
  EXPECT_THAT(world.w.log.lines(), testing::Contains(testing::HasSubstr("adjusting watch progress notify interval")));
  ::grpc::ClientContext context;
  auto stream = open(world, &context);
  pb::WatchRequest request = create("a");
  request.mutable_create_request()->set_progress_notify(true);
  ASSERT_TRUE(stream->Write(request));
  EXPECT_TRUE(read(*stream).created());
  put(world, "a", "1");
  EXPECT_EQ(read(*stream).events_size(), 1);
  const pb::WatchResponse progress = read(*stream);
  EXPECT_EQ(progress.events_size(), 0);
  EXPECT_EQ(progress.watch_id(), 0);
  EXPECT_EQ(progress.header().revision(), 2);
  EXPECT_EQ(world.w.metrics.value("etcd_debugging_mvcc_watch_stream_total{}"), 1);
  EXPECT_EQ(world.w.metrics.value("etcd_debugging_mvcc_watcher_total{}"), 1);
  EXPECT_EQ(world.w.metrics.value("etcd_debugging_mvcc_slow_watcher_total{}"), 0);
  EXPECT_EQ(world.w.metrics.value("etcd_debugging_mvcc_events_total{}"), 1);
  context.TryCancel();
}

// MET-14: what a client sent counts as a failure, that it went away doesn't.
TEST_F(WatchTest, StreamFailures) {
  GrpcWorld world;
  for (const char* path : {"/etcdserverpb.Watch/Watch", "/etcdserverpb.Lease/LeaseKeepAlive"}) {
    ::grpc::ClientContext context;
    const ::grpc::internal::RpcMethod method(path, ::grpc::internal::RpcMethod::BIDI_STREAMING);
    std::unique_ptr<::grpc::ClientReaderWriter<::grpc::ByteBuffer, ::grpc::ByteBuffer>> stream(
        ::grpc::internal::ClientReaderWriterFactory<::grpc::ByteBuffer, ::grpc::ByteBuffer>::Create(
            world.channel.get(), method, &context));
    ::grpc::Slice slice("\xff");
    stream->Write(::grpc::ByteBuffer(&slice, 1));
    const ::grpc::Status status = stream->Finish();
    EXPECT_EQ(status.error_code(), ::grpc::INTERNAL);
    EXPECT_EQ(status.error_message(),
              "grpc: failed to unmarshal the received message: proto: cannot parse invalid wire-format data");
  }
  ::grpc::ClientContext context;
  auto stream = open(world, &context);
  ASSERT_TRUE(stream->Write(create("a")));
  EXPECT_TRUE(read(*stream).created());
  context.TryCancel();
  EXPECT_EQ(stream->Finish().error_code(), ::grpc::CANCELLED);
  for (const char* api : {"watch", "lease-keepalive"})
    EXPECT_EQ(world.w.metrics.value(fmt::format(
                  "etcd_network_server_stream_failures_total{{Type=receive,API={},}}", api)), 1) << api;
  EXPECT_THAT(world.w.log.lines(),
              testing::Contains(testing::HasSubstr("failed to receive watch request from gRPC stream")));
}

}  // namespace
}  // namespace holdfast::rpc
