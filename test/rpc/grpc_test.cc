// The gRPC services over a real socket, asked by grpc++.
#include <gmock/gmock.h>
#include <openssl/sha.h>

#include "base/wire.h"
#include "health.pb.h"
#include "rpc.pb.h"
#include "test/rpc/grpc_world.h"

namespace holdfast::rpc {
namespace {

namespace pb = etcdserverpb;
using testing::HasSubstr;

constexpr const char* kPut = "/etcdserverpb.KV/Put";
constexpr const char* kRange = "/etcdserverpb.KV/Range";

class GrpcTest : public testing::Test {
 protected:
  static pb::PutRequest put_of(const std::string& key, const std::string& value) {
    pb::PutRequest request;
    request.set_key(key);
    request.set_value(value);
    return request;
  }
  ::grpc::Status send_raw(const char* path, const std::string& bytes) {
    ::grpc::Slice slice(bytes);
    ::grpc::ByteBuffer request(&slice, 1), response;
    return rpc.call(path, request, &response);
  }
  // Metrics of a call are counted when it is over for the server, which may be after the client has
  // its answer.
  void expect_metric(const std::string& key, double value) {
    for (int i = 0; i < 10'000 && rpc.w.metrics.value(key) != value; ++i) {
      pb::StatusResponse response;
      rpc.call("/etcdserverpb.Maintenance/Status", pb::StatusRequest(), &response);
    }
    EXPECT_EQ(rpc.w.metrics.value(key), value) << key;
  }

  GrpcWorld rpc;
};

TEST_F(GrpcTest, PutAndRange) {
  pb::PutResponse put;
  ::grpc::Status status = rpc.call(kPut, put_of("a", "1"), &put);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(put.header().revision(), 2);  // GEN-05
  EXPECT_EQ(put.header().cluster_id(), 0xdefu);
  EXPECT_EQ(put.header().member_id(), 0xabcu);
  EXPECT_EQ(put.header().raft_term(), 7u);
  EXPECT_FALSE(put.has_prev_kv());

  pb::PutRequest again = put_of("a", "2");
  again.set_prev_kv(true);
  ASSERT_TRUE(rpc.call(kPut, again, &put).ok());
  EXPECT_EQ(put.prev_kv().value(), "1");  // KV-22
  EXPECT_EQ(put.prev_kv().key(), "a");

  pb::RangeRequest range;
  range.set_key("a");
  pb::RangeResponse response;
  ASSERT_TRUE(rpc.call(kRange, range, &response).ok());
  EXPECT_EQ(response.kvs(0).value(), "2");
  EXPECT_EQ(response.header().revision(), 3);

  pb::DeleteRangeRequest remove;
  remove.set_key("a");
  pb::DeleteRangeResponse removed;
  ASSERT_TRUE(rpc.call("/etcdserverpb.KV/DeleteRange", remove, &removed).ok());
  EXPECT_EQ(removed.deleted(), 1);
  EXPECT_EQ(removed.header().revision(), 4);
}

TEST_F(GrpcTest, ErrorsLetterByLetter) {
  pb::PutResponse put;
  ::grpc::Status status = rpc.call(kPut, put_of("", "1"), &put);
  EXPECT_EQ(status.error_code(), ::grpc::INVALID_ARGUMENT);  // ERR-01
  EXPECT_EQ(status.error_message(), "etcdserver: key is not provided");

  pb::LeaseRevokeRequest revoke;
  pb::LeaseRevokeResponse revoked;
  status = rpc.call("/etcdserverpb.Lease/LeaseRevoke", revoke, &revoked);
  EXPECT_EQ(status.error_code(), ::grpc::NOT_FOUND);  // ERR-12
  EXPECT_EQ(status.error_message(), "etcdserver: requested lease not found");

  // GEN-12: what is in no table is Unknown, with its text.
  rpc.w.member.defragment_result = absl::InternalError("mdb_copy: no space");
  pb::DefragmentResponse defragmented;
  status = rpc.call("/etcdserverpb.Maintenance/Defragment", pb::DefragmentRequest(), &defragmented);
  EXPECT_EQ(status.error_code(), ::grpc::UNKNOWN);
  EXPECT_EQ(status.error_message(), "mdb_copy: no space");
}

TEST_F(GrpcTest, MalformedMessages) {
  for (const char* path :
       {kPut, kRange, "/etcdserverpb.KV/Txn", "/etcdserverpb.Lease/LeaseGrant"}) {
    const ::grpc::Status status = send_raw(path, "\x0a\x7fk");
    EXPECT_EQ(status.error_code(), ::grpc::INTERNAL) << path;
    EXPECT_EQ(status.error_message(),
              "grpc: error unmarshalling request: proto: cannot parse invalid wire-format data");
  }
  // Deep nesting is refused, not recursed into: a txn in the success branch of a txn in ...
  std::string deep;
  for (int i = 0; i < 5'000; ++i) {
    std::string operation, txn;
    wire::Writer(operation).put_bytes(4, deep);
    wire::Writer(txn).put_bytes(2, operation);
    deep = std::move(txn);
  }
  EXPECT_EQ(send_raw("/etcdserverpb.KV/Txn", deep).error_code(), ::grpc::INTERNAL);
  EXPECT_TRUE(rpc.w.proposer.seen().empty());
}

// What etcd's members couldn't read doesn't get into the log, though C++'s parser takes it.
TEST_F(GrpcTest, MessagesThatGoRefuses) {
  const char* kDelete = "/etcdserverpb.KV/DeleteRange";
  const std::string key = "\x0a\x01k";
  for (const std::string& bytes : {key + "\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02",  // 65 bits
                                   key + std::string("\x7b\x00\x00\x7c", 4)}) {             // field 0
    for (const char* path : {kDelete, kPut}) {
      const ::grpc::Status status = send_raw(path, bytes);
      EXPECT_EQ(status.error_code(), ::grpc::INTERNAL) << path;
      EXPECT_EQ(status.error_message(),
                "grpc: error unmarshalling request: proto: cannot parse invalid wire-format data");
    }
  }
  const ::grpc::Status status = send_raw("/etcdserverpb.Cluster/MemberAdd", "\x0a\x02\xc3(");
  EXPECT_EQ(status.error_code(), ::grpc::INTERNAL);
  EXPECT_EQ(status.error_message(), "grpc: error unmarshalling request: string field contains invalid UTF-8");
  EXPECT_TRUE(rpc.w.proposer.seen().empty());
  // A tag longer than it need be is taken.
  const ::grpc::Status taken = send_raw(kDelete, key + std::string("\x88\x80\x80\x80\x80\x80\x00\x01", 8));
  EXPECT_NE(taken.error_code(), ::grpc::INTERNAL);  // what the proposer of this test thinks of it is its own affair
}

TEST_F(GrpcTest, TransactionsNestAsDeepAsTheOperationLimit) {  // TXN-01
  pb::TxnRequest txn;
  txn.add_success()->mutable_request_put()->set_key("k");
  for (int i = 0; i < 127; ++i) {
    pb::TxnRequest outer;
    *outer.add_success()->mutable_request_txn() = txn;
    txn = outer;
  }
  pb::TxnResponse response;
  ::grpc::Status status = rpc.call("/etcdserverpb.KV/Txn", txn, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  pb::TxnRequest outer;
  *outer.add_success()->mutable_request_txn() = txn;
  status = rpc.call("/etcdserverpb.KV/Txn", outer, &response);
  EXPECT_EQ(status.error_message(), "etcdserver: too many operations in txn request");
}

TEST_F(GrpcTest, ReadOnlyTxnIsNotProposed) {  // TXN-13, RD-10
  rpc.w.put("a", "1");
  pb::TxnRequest txn;
  txn.add_success()->mutable_request_range()->set_key("a");
  pb::TxnResponse response;
  ASSERT_TRUE(rpc.call("/etcdserverpb.KV/Txn", txn, &response).ok());
  EXPECT_TRUE(rpc.w.proposer.seen().empty());
  EXPECT_EQ(rpc.w.reader.reads, 1);
  EXPECT_TRUE(response.succeeded());
  EXPECT_EQ(response.header().member_id(), 0xabcu);
  EXPECT_EQ(response.header().revision(), 2);
  EXPECT_EQ(response.responses(0).response_range().kvs(0).value(), "1");
  txn.mutable_success(0)->mutable_request_range()->set_serializable(true);
  ASSERT_TRUE(rpc.call("/etcdserverpb.KV/Txn", txn, &response).ok());
  EXPECT_EQ(rpc.w.reader.reads, 1);
}

TEST_F(GrpcTest, SortedRange) {  // KV-10, KV-12
  rpc.w.put("a", "2");
  rpc.w.put("b", "1");
  rpc.w.put("c", "3");
  pb::RangeRequest range;
  range.set_key("a");
  range.set_range_end("z");
  range.set_sort_target(pb::RangeRequest::VALUE);
  range.set_sort_order(pb::RangeRequest::DESCEND);
  range.set_limit(2);
  pb::RangeResponse response;
  ASSERT_TRUE(rpc.call(kRange, range, &response).ok());
  ASSERT_EQ(response.kvs_size(), 2);
  EXPECT_EQ(response.kvs(0).key(), "c");
  EXPECT_EQ(response.kvs(1).key(), "a");
  EXPECT_TRUE(response.more());
  EXPECT_EQ(response.count(), 3);
  EXPECT_EQ(response.header().raft_term(), 7u);
}

TEST_F(GrpcTest, LearnerServesLittle) {  // GEN-08, TRP-35
  rpc.w.member.learner = true;
  pb::RangeRequest range;
  range.set_key("a");
  pb::RangeResponse ranged;
  ::grpc::Status status = rpc.call(kRange, range, &ranged);
  EXPECT_EQ(status.error_code(), ::grpc::FAILED_PRECONDITION);
  EXPECT_EQ(status.error_message(), "etcdserver: rpc not supported for learner");
  range.set_serializable(true);
  EXPECT_TRUE(rpc.call(kRange, range, &ranged).ok());
  pb::PutResponse put;
  EXPECT_EQ(rpc.call(kPut, put_of("a", "1"), &put).error_code(), ::grpc::FAILED_PRECONDITION);
  pb::StatusResponse state;
  EXPECT_TRUE(rpc.call("/etcdserverpb.Maintenance/Status", pb::StatusRequest(), &state).ok());
  EXPECT_TRUE(state.islearner());
  ::grpc::health::v1::HealthCheckResponse health;
  EXPECT_EQ(
      rpc.call("/grpc.health.v1.Health/Check", ::grpc::health::v1::HealthCheckRequest(), &health)
          .error_code(),
      ::grpc::FAILED_PRECONDITION);
  ::grpc::ClientContext context;
  auto stream = rpc.read<pb::RangeStreamResponse>("/etcdserverpb.KV/RangeStream", range, &context);
  pb::RangeStreamResponse chunk;
  EXPECT_FALSE(stream->Read(&chunk));
  EXPECT_EQ(stream->Finish().error_code(), ::grpc::FAILED_PRECONDITION);
}

// GEN-07: the v3 API is there before a cluster version is known, and in every version.
TEST_F(GrpcTest, NoClusterVersionIsTooOld) {
  namespace mb = membership;
  const auto served = [&](const std::string& version) {
    pb::PutResponse put;
    ::grpc::Status status = rpc.call(kPut, put_of("a", "1"), &put);
    EXPECT_TRUE(status.ok()) << version << ": " << status.error_message();
  };
  rpc.w.member.cluster_now = std::make_shared<mb::Cluster>();
  ASSERT_FALSE(rpc.w.member.cluster_now->version());
  served("none");
  for (int minor = 0; minor <= 7; ++minor) {
    rpc.w.member.cluster_now = std::make_shared<mb::Cluster>();
    mb::RecordChanges records;
    rpc.w.member.cluster_now->set_version({3, minor, 0, {}}, records);
    ASSERT_TRUE(rpc.w.member.cluster_now->version());
    served(std::to_string(minor));
  }
}

TEST_F(GrpcTest, RequireLeader) {  // GEN-09
  rpc.w.member.leader_id = 0;
  ::grpc::ClientContext context;
  context.AddMetadata("hasleader", "true");
  pb::PutResponse put;
  ::grpc::Status status = rpc.call(kPut, put_of("a", "1"), &put, &context);
  EXPECT_EQ(status.error_code(), ::grpc::UNAVAILABLE);
  EXPECT_EQ(status.error_message(), "etcdserver: no leader");
  EXPECT_TRUE(rpc.call(kPut, put_of("a", "1"), &put).ok());
  ::grpc::ClientContext stream_context;
  stream_context.AddMetadata("hasleader", "true");
  auto stream = rpc.read<::grpc::health::v1::HealthCheckResponse>(
      "/grpc.health.v1.Health/Watch", ::grpc::health::v1::HealthCheckRequest(), &stream_context);
  EXPECT_EQ(stream->Finish().error_message(), "etcdserver: no leader");
}

TEST(LeaderMonitorTest, StreamsEndWhenTheLeaderStaysAway) {  // GEN-09
  GrpcWorld rpc({.grpc = {.election_timeout = std::chrono::milliseconds(5)}});
  ::grpc::ClientContext with, without;
  with.AddMetadata("hasleader", "true");
  const ::grpc::health::v1::HealthCheckRequest request;
  ::grpc::health::v1::HealthCheckResponse response;
  auto careful = rpc.read<::grpc::health::v1::HealthCheckResponse>("/grpc.health.v1.Health/Watch",
                                                                   request, &with);
  auto careless = rpc.read<::grpc::health::v1::HealthCheckResponse>("/grpc.health.v1.Health/Watch",
                                                                    request, &without);
  ASSERT_TRUE(careful->Read(&response));
  ASSERT_TRUE(careless->Read(&response));
  rpc.w.member.leader_id = 0;
  EXPECT_FALSE(careful->Read(&response));
  const ::grpc::Status status = careful->Finish();
  EXPECT_EQ(status.error_code(), ::grpc::UNAVAILABLE);
  EXPECT_EQ(status.error_message(), "etcdserver: no leader");
  // The other one goes on.
  rpc.services.health().set(GrpcHealth::Serving::no);
  EXPECT_TRUE(careless->Read(&response));
  EXPECT_EQ(response.status(), ::grpc::health::v1::HealthCheckResponse::NOT_SERVING);
  without.TryCancel();
}

TEST_F(GrpcTest, ClientVersions) {  // GEN-10, MET-12
  pb::PutResponse put;
  ASSERT_TRUE(rpc.call(kPut, put_of("a", "1"), &put).ok());
  ::grpc::ClientContext context;
  context.AddMetadata("client-api-version", "3.5");
  ASSERT_TRUE(rpc.call(kPut, put_of("a", "1"), &put, &context).ok());
  expect_metric("etcd_server_client_requests_total{type=unary,client_api_version=3.5,}", 1);
  EXPECT_GE(rpc.w.metrics.value(
                "etcd_server_client_requests_total{type=unary,client_api_version=unknown,}"),
            1);
}

TEST(ClientVersionsTest, SeriesAreBounded) {
  server::MapMetrics metrics;
  ClientVersions versions(metrics, "unary");
  for (int i = 0; i < 1000; ++i) versions.count(fmt::format("v{}", i));
  versions.count(std::string(10'000, 'x'));
  EXPECT_EQ(metrics.count_of("etcd_server_client_requests_total"), kClientVersionsMax);
  EXPECT_EQ(
      metrics.value("etcd_server_client_requests_total{type=unary,client_api_version=other,}"),
      1000 - (kClientVersionsMax - 1) + 1);
}

TEST(ClientVersionsTest, Utf8AsGoSeesIt) {
  EXPECT_TRUE(is_valid_utf8("3.7 ü € 😀"));
  EXPECT_FALSE(is_valid_utf8("\xff"));
  EXPECT_FALSE(is_valid_utf8("\xc0\x80"));          // overlong
  EXPECT_FALSE(is_valid_utf8("\xed\xa0\x80"));      // surrogate
  EXPECT_FALSE(is_valid_utf8("\xf4\x90\x80\x80"));  // beyond U+10FFFF
  EXPECT_FALSE(is_valid_utf8("\xe2\x82"));          // truncated
}

TEST_F(GrpcTest, MetricsExistFromTheStart) {  // MET-34, MET-14
  EXPECT_EQ(rpc.w.metrics.count_of("grpc_server_handled_total"), rpc.grpc.method_count() * 17);
  EXPECT_EQ(rpc.w.metrics.count_of("grpc_server_started_total"), rpc.grpc.method_count());
  EXPECT_EQ(rpc.w.metrics.value("grpc_server_handled_total{grpc_type=bidi_stream,grpc_service="
                                "etcdserverpb.Watch,grpc_method=Watch,grpc_code=DataLoss,}"),
            0);
  EXPECT_EQ(rpc.w.metrics.count_of("grpc_server_handling_seconds"), 0u);
  pb::PutResponse put;
  const pb::PutRequest request = put_of("a", "1");
  ASSERT_TRUE(rpc.call(kPut, request, &put).ok());
  EXPECT_FALSE(rpc.call(kPut, put_of("", "1"), &put).ok());
  const std::string labels = "{grpc_type=unary,grpc_service=etcdserverpb.KV,grpc_method=Put,";
  expect_metric("grpc_server_handled_total" + labels + "grpc_code=OK,}", 1);
  expect_metric("grpc_server_handled_total" + labels + "grpc_code=InvalidArgument,}", 1);
  expect_metric("grpc_server_started_total" + labels + "}", 2);
  expect_metric("grpc_server_msg_received_total" + labels + "}", 2);
  expect_metric("grpc_server_msg_sent_total" + labels + "}", 1);
  EXPECT_GE(*rpc.w.metrics.value("etcd_network_client_grpc_received_bytes_total{}"),
            request.ByteSizeLong() + 3);
  EXPECT_GT(*rpc.w.metrics.value("etcd_network_client_grpc_sent_bytes_total{}"), 0);
}

TEST(SlowRequestLog, SizesOnly) {  // GEN-13
  GrpcWorld rpc({.grpc = {.warning_unary_request_duration = std::chrono::nanoseconds(1)}});
  pb::PutRequest request;
  request.set_key("key");
  request.set_value("secret");
  pb::PutResponse put;
  ASSERT_TRUE(rpc.call(kPut, request, &put).ok());
  const std::vector<std::string> lines = rpc.w.log.lines();
  const auto line = std::find_if(lines.begin(), lines.end(),
                                 [](const auto& l) { return l.starts_with("request stats"); });
  ASSERT_NE(line, lines.end());
  EXPECT_THAT(*line,
              HasSubstr(R"(response type="/etcdserverpb.KV/Put" request count=1 request size=13)"));
  EXPECT_THAT(*line, HasSubstr(R"(request content="key:\"key\" value_size:6")"));
  EXPECT_THAT(*line, HasSubstr(R"(remote="127.0.0.1:)"));
  rpc.w.put("a", "1");
  rpc.w.put("b", "2");
  pb::RangeRequest range;
  range.set_key("a");
  range.set_range_end("z");
  range.set_limit(1);
  pb::RangeResponse answer;
  ASSERT_TRUE(rpc.call(kRange, range, &answer).ok());
  EXPECT_THAT(rpc.w.log.lines(), testing::Contains(HasSubstr(fmt::format(
                                     "request count=0 request size=8 response count=3 response size={}",
                                     answer.ByteSizeLong()))));
}

TEST_F(GrpcTest, RangeStreamOverTheWire) {  // RS-01, back-pressure
  for (int i = 0; i < 300; ++i)
    rpc.w.put(fmt::format("k{:03}", i), std::string(20'000, static_cast<char>('a' + i % 26)));
  pb::RangeRequest range;
  range.set_key(std::string(1, '\0'));
  range.set_range_end(std::string(1, '\0'));
  ::grpc::ClientContext context;
  auto stream = rpc.read<pb::RangeStreamResponse>("/etcdserverpb.KV/RangeStream", range, &context);
  pb::RangeStreamResponse chunk;
  pb::RangeResponse merged, whole;
  int chunks = 0;
  while (stream->Read(&chunk)) {
    merged.MergeFrom(chunk.range_response());
    ++chunks;
  }
  const ::grpc::Status status = stream->Finish();
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_GE(chunks, 5);
  ::grpc::ClientContext big;
  ::grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  rpc.channel = ::grpc::CreateCustomChannel(fmt::format("127.0.0.1:{}", rpc.listener->port()),
                                            ::grpc::InsecureChannelCredentials(), arguments);
  ASSERT_TRUE(rpc.call(kRange, range, &whole, &big).ok());
  EXPECT_EQ(merged.SerializeAsString(), whole.SerializeAsString());
}

TEST_F(GrpcTest, SnapshotOverTheWire) {  // MNT-08, TRP-37, VD-05
  rpc.w.member.learner = true;  // served all the same
  for (const size_t bytes : {32 * 1024 * 40, 32 * 1024 * 8 + 1, 1}) {
    std::string all;
    while (all.size() < bytes) all += fmt::format("byte {} ", all.size());
    all.resize(bytes);
    rpc.w.member.snapshot_bytes = all;
    ::grpc::ClientContext context;
    auto stream = rpc.read<pb::SnapshotResponse>("/etcdserverpb.Maintenance/Snapshot",
                                                 pb::SnapshotRequest(), &context);
    pb::SnapshotResponse response;
    std::string received, last;
    while (stream->Read(&response)) {
      EXPECT_FALSE(response.has_header());
      EXPECT_EQ(response.version(), "3.7.0");
      EXPECT_LE(response.blob().size(), 32u * 1024);
      received += std::exchange(last, response.blob());
      EXPECT_EQ(response.remaining_bytes(),
                received.size() == bytes ? 0 : bytes - received.size() - last.size());
    }
    ASSERT_TRUE(stream->Finish().ok());
    EXPECT_EQ(received, all);
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256(reinterpret_cast<const unsigned char*>(all.data()), all.size(), digest);
    EXPECT_EQ(last, std::string(reinterpret_cast<const char*>(digest), sizeof digest));
  }
}

TEST_F(GrpcTest, RangeStreamRefusals) {  // RS-02
  pb::RangeRequest range;
  range.set_key("a");
  range.set_min_mod_revision(2);
  ::grpc::ClientContext context;
  auto stream = rpc.read<pb::RangeStreamResponse>("/etcdserverpb.KV/RangeStream", range, &context);
  const ::grpc::Status status = stream->Finish();
  EXPECT_EQ(status.error_code(), ::grpc::UNIMPLEMENTED);
  EXPECT_EQ(status.error_message(), "RangeStream does not support revision filters");
}

TEST_F(GrpcTest, Health) {  // MNT-12
  namespace health = ::grpc::health::v1;
  health::HealthCheckRequest request;
  health::HealthCheckResponse response;
  ASSERT_TRUE(rpc.call("/grpc.health.v1.Health/Check", request, &response).ok());
  EXPECT_EQ(response.status(), health::HealthCheckResponse::SERVING);
  request.set_service("etcdserverpb.KV");
  ::grpc::Status status = rpc.call("/grpc.health.v1.Health/Check", request, &response);
  EXPECT_EQ(status.error_code(), ::grpc::NOT_FOUND);
  EXPECT_EQ(status.error_message(), "unknown service");
  ::grpc::ClientContext unknown;
  auto stream =
      rpc.read<health::HealthCheckResponse>("/grpc.health.v1.Health/Watch", request, &unknown);
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.status(), health::HealthCheckResponse::SERVICE_UNKNOWN);
  unknown.TryCancel();
}

TEST_F(GrpcTest, MaintenanceAndCluster) {
  pb::MemberListResponse list;
  ASSERT_TRUE(rpc.call("/etcdserverpb.Cluster/MemberList", pb::MemberListRequest(), &list).ok());
  EXPECT_EQ(list.members_size(), 2);
  EXPECT_EQ(list.header().revision(), 0);  // GEN-06
  pb::HashKVResponse hash;
  ASSERT_TRUE(rpc.call("/etcdserverpb.Maintenance/HashKV", pb::HashKVRequest(), &hash).ok());
  EXPECT_EQ(hash.hash_revision(), 1);
  pb::AlarmResponse alarms;
  ASSERT_TRUE(rpc.call("/etcdserverpb.Maintenance/Alarm", pb::AlarmRequest(), &alarms).ok());
  EXPECT_EQ(alarms.header().member_id(), 0xabcu);
  pb::DefragmentResponse defragmented;
  ASSERT_TRUE(
      rpc.call("/etcdserverpb.Maintenance/Defragment", pb::DefragmentRequest(), &defragmented)
          .ok());
  EXPECT_FALSE(defragmented.has_header());
  pb::LeaseGrantRequest grant;
  grant.set_ttl(5);
  pb::LeaseGrantResponse granted;
  ASSERT_TRUE(rpc.call("/etcdserverpb.Lease/LeaseGrant", grant, &granted).ok());
  EXPECT_GT(granted.id(), 0);
}

TEST_F(GrpcTest, Services) {  // GEN-01
  for (const std::string service :
       {"etcdserverpb.KV", "etcdserverpb.Watch", "etcdserverpb.Lease", "etcdserverpb.Cluster", "etcdserverpb.Maintenance",
        "etcdserverpb.Auth", "v3lockpb.Lock", "v3electionpb.Election", "grpc.health.v1.Health"}) {
    pb::RangeResponse response;
    const ::grpc::Status status = rpc.call(("/" + service + "/Nothing").c_str(), pb::RangeRequest(), &response);
    EXPECT_EQ(status.error_code(), ::grpc::UNIMPLEMENTED);
    EXPECT_EQ(status.error_message(), "unknown method Nothing for service " + service);
  }
  for (const std::string service : {"grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"}) {
    pb::RangeResponse response;
    const ::grpc::Status status = rpc.call(("/" + service + "/ServerReflectionInfo").c_str(), pb::RangeRequest(), &response);
    EXPECT_EQ(status.error_message(), "unknown service " + service);
  }
}

TEST_F(GrpcTest, UnbuiltMethodsSaySo) {
  pb::AuthEnableResponse response;
  const ::grpc::Status status =
      rpc.call("/etcdserverpb.Auth/AuthEnable", pb::AuthEnableRequest(), &response);
  EXPECT_EQ(status.error_code(), ::grpc::UNIMPLEMENTED);
  EXPECT_EQ(status.error_message(),
            "holdfast: /etcdserverpb.Auth/AuthEnable is not implemented yet");
}

TEST(IdentifyTest, TokenIsLookedUp) {  // GEN-11
  std::mutex mutex;
  std::vector<std::string> tokens;
  GrpcWorld rpc(
      {.grpc = {.identify = [&](const net::Call& call) -> absl::StatusOr<server::AuthInfo> {
         const std::lock_guard lock(mutex);
         tokens.emplace_back(token_of(call));
         if (tokens.back() == "bad") return error(EtcdError::invalid_auth_token);
         return server::AuthInfo{};
       }}});
  pb::RangeRequest range;
  range.set_key("a");
  pb::RangeResponse response;
  for (const auto& [key, value] :
       std::vector<std::pair<std::string, std::string>>{{"token", "t1"},
                                                        {"authorization", "Bearer t2"},
                                                        {"authorization", "t3"},
                                                        {"token", "bad"}}) {
    ::grpc::ClientContext context;
    context.AddMetadata(key, value);
    const ::grpc::Status status = rpc.call(kRange, range, &response, &context);
    if (value == "bad") {
      EXPECT_EQ(status.error_code(), ::grpc::UNAUTHENTICATED);
      EXPECT_EQ(status.error_message(), "etcdserver: invalid auth token");
    }
  }
  const std::lock_guard lock(mutex);
  EXPECT_THAT(tokens, testing::ElementsAre("t1", "t2", "t3", "bad"));
}

}  // namespace
}  // namespace holdfast::rpc
