#include "server/v3_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fmt/format.h"
#include "test/server/v3_world.h"

namespace holdfast::server {
namespace {

namespace pb = etcdserverpb;
using testing::ElementsAre;
using testing::HasSubstr;

class V3ServerTest : public testing::Test {
 protected:
  absl::StatusOr<pb::RangeResponse> range(const pb::RangeRequest& request, Cancelled cancelled = {}) {
    return ask_range(w, request, std::move(cancelled));
  }
  std::unique_ptr<apply::Result> put(const pb::PutRequest& request) {
    const std::string bytes = request.SerializeAsString();
    std::unique_ptr<apply::Result> result;
    w.v3->put(w.context(), *parse_put(bytes),
              [&](std::unique_ptr<apply::Result> r) { result = std::move(r); });
    w.world.run_ready();
    return result;
  }

  V3World w;
};

TEST_F(V3ServerTest, RangeOfOneKey) {
  w.put("a", "1");
  w.put("b", "2");
  pb::RangeRequest request;
  request.set_key("a");
  auto response = range(request);
  ASSERT_TRUE(response.ok()) << response.status();
  // GEN-05, KV-09: the store's revision, not the key's.
  EXPECT_EQ(response->header().cluster_id(), 0xdefu);
  EXPECT_EQ(response->header().member_id(), 0xabcu);
  EXPECT_EQ(response->header().raft_term(), 7u);
  EXPECT_EQ(response->header().revision(), 3);
  ASSERT_EQ(response->kvs_size(), 1);
  EXPECT_EQ(response->kvs(0).key(), "a");
  EXPECT_EQ(response->kvs(0).value(), "1");
  EXPECT_EQ(response->kvs(0).create_revision(), 2);
  EXPECT_EQ(response->kvs(0).version(), 1);
  EXPECT_EQ(response->count(), 1);
  EXPECT_FALSE(response->more());
  EXPECT_EQ(w.reader.reads, 1);  // KV-13
  EXPECT_EQ(w.metrics.value("etcd_server_request_duration_seconds{type=Range,success=true,}"),
            1);                                                                        // MET-08
  EXPECT_EQ(w.metrics.value("etcd_server_range_duration_seconds{success=true,}"), 1);  // MET-09
}

TEST_F(V3ServerTest, RangeIsWrittenAsGoWritesIt) {
  w.put("k", "v");
  pb::RangeRequest request = all_keys();
  request.set_serializable(true);
  const std::string bytes = request.SerializeAsString();
  std::string answer;
  w.v3->range(w.context(), *parse_range(bytes), {},
              [&](absl::StatusOr<std::string> a) { answer = *a; });
  pb::RangeResponse response;
  ASSERT_TRUE(response.ParseFromString(answer));
  EXPECT_EQ(response.SerializeAsString(), answer);  // same order of fields, nothing superfluous
  EXPECT_EQ(w.reader.reads, 0);                     // RD-08
}

TEST_F(V3ServerTest, LimitCountAndMore) {  // KV-04, KV-05
  for (const char* key : {"a", "b", "c", "d"}) w.put(key, "x");
  pb::RangeRequest request = all_keys();
  request.set_limit(3);
  auto response = range(request);
  ASSERT_TRUE(response.ok());
  EXPECT_EQ(response->kvs_size(), 3);
  EXPECT_TRUE(response->more());
  EXPECT_EQ(response->count(), 4);
  request.set_limit(4);
  EXPECT_FALSE(range(request)->more());
  request.set_limit(std::numeric_limits<int64_t>::max());
  EXPECT_EQ(range(request)->kvs_size(), 4);
}

TEST_F(V3ServerTest, CountOnlyAndKeysOnly) {  // KV-06, KV-07
  w.put("a", "x");
  w.put("b", "x");
  pb::RangeRequest request = all_keys();
  request.set_count_only(true);
  request.set_limit(1);
  auto response = range(request);
  EXPECT_EQ(response->kvs_size(), 0);
  EXPECT_EQ(response->count(), 2);
  EXPECT_FALSE(response->more());
  request.set_count_only(false);
  request.set_keys_only(true);
  response = range(request);
  ASSERT_EQ(response->kvs_size(), 1);
  EXPECT_EQ(response->kvs(0).key(), "a");
  EXPECT_EQ(response->kvs(0).value(), "");
  EXPECT_EQ(response->kvs(0).mod_revision(), 2);
  EXPECT_TRUE(response->more());
}

TEST_F(V3ServerTest, RangeErrors) {
  w.put("a", "1");
  pb::RangeRequest request;
  EXPECT_TRUE(is(range(request).status(), EtcdError::empty_key));  // KV-01
  request.set_key("a");
  request.set_sort_order(static_cast<pb::RangeRequest::SortOrder>(9));
  EXPECT_TRUE(is(range(request).status(), EtcdError::invalid_sort_option));  // KV-10
  request.set_sort_order(pb::RangeRequest::NONE);
  request.set_sort_target(static_cast<pb::RangeRequest::SortTarget>(-1));
  EXPECT_TRUE(is(range(request).status(), EtcdError::invalid_sort_option));
  request.set_sort_target(pb::RangeRequest::KEY);
  EXPECT_EQ(w.reader.reads, 0);
  request.set_revision(99);
  EXPECT_TRUE(is(range(request).status(), EtcdError::future_rev));  // KV-08
  ASSERT_TRUE(w.member.store_now->compact(Revision(2), {}).ok());
  w.put("a", "2");
  request.set_revision(1);
  EXPECT_TRUE(is(range(request).status(), EtcdError::compacted));
  w.reader.set(error(EtcdError::leader_changed));
  request.set_revision(0);
  EXPECT_TRUE(is(range(request).status(), EtcdError::leader_changed));  // RD-04
  EXPECT_EQ(w.metrics.value("etcd_server_request_duration_seconds{type=Range,success=false,}"), 3);
}

TEST_F(V3ServerTest, CancelledRangeStops) {  // KV-15
  w.put("a", "1");
  pb::RangeRequest request;
  request.set_key("a");
  auto response = range(request, {[](const void*) { return true; }, nullptr});
  EXPECT_EQ(response.status().code(), absl::StatusCode::kCancelled);
}

// A read of many keys goes on on a thread of its own, and holds nobody up who asks for little; a short one stays.
TEST_F(V3ServerTest, LongReadsLeaveTheThreadThatAsked) {
  for (int i = 0; i < 2 * ReadBudget::kKeys; ++i) w.put(fmt::format("k{:06}", i), "v");
  ManualExecutor readers{w.world.clock};
  w.v3.emplace(V3Server::Parts{w.proposer, w.reader, w.member, w.member, w.access, w.ids, w.world.clock, w.metrics,
                               w.log, {&readers}},
               V3Server::Options{});
  pb::RangeRequest all = all_keys();
  all.set_serializable(true);
  std::vector<std::string> requests;  // must live until the answer
  const auto ask = [&](const pb::RangeRequest& request, Cancelled cancelled = {}) {
    auto answer = std::make_shared<std::optional<absl::StatusOr<std::string>>>();
    requests.push_back(request.SerializeAsString());
    w.v3->range(w.context(), *parse_range(requests.back()), cancelled,
                [answer](absl::StatusOr<std::string> a) { *answer = std::move(a); });
    return answer;
  };
  requests.reserve(10);
  const auto whole = ask(all);
  EXPECT_FALSE(whole->has_value());
  EXPECT_EQ(readers.waiting(), 1u);
  pb::RangeRequest page = all;
  page.set_limit(100);
  EXPECT_TRUE(ask(page)->has_value());
  pb::RangeRequest one;
  one.set_key("k000007");
  one.set_serializable(true);
  EXPECT_TRUE(ask(one)->has_value());
  ASSERT_TRUE(readers.run_one());
  EXPECT_FALSE(whole->has_value()) << "answered where it was asked";
  w.world.run_ready();
  ASSERT_TRUE(whole->has_value() && (*whole)->ok());
  pb::RangeResponse response;
  ASSERT_TRUE(response.ParseFromString(***whole));
  EXPECT_EQ(response.kvs_size(), 2 * ReadBudget::kKeys);
  EXPECT_EQ(w.metrics.value("etcd_server_request_duration_seconds{type=Range,success=true,}"), 3);

  // KV-15: whoever is gone is asked there too. Sorted ones, and linearizable ones, go the same way.
  bool gone = false;
  const auto cancelled = ask(all, {[](const void* g) { return *static_cast<const bool*>(g); }, &gone});
  gone = true;
  pb::RangeRequest sorted = all_keys();
  sorted.set_sort_target(pb::RangeRequest::MOD);
  sorted.set_sort_order(pb::RangeRequest::DESCEND);
  const auto newest = ask(sorted);
  w.world.run_ready();  // its read index
  while (readers.run_one()) {
  }
  w.world.run_ready();
  ASSERT_TRUE(cancelled->has_value() && newest->has_value());
  EXPECT_EQ((*cancelled)->status().code(), absl::StatusCode::kCancelled);
  ASSERT_TRUE((*newest)->ok() && response.ParseFromString(***newest));
  EXPECT_EQ(response.kvs(0).key(), fmt::format("k{:06}", 2 * ReadBudget::kKeys - 1));

  auto txn = std::make_unique<pb::TxnRequest>();
  *txn->add_success()->mutable_request_range() = all;
  const std::string bytes = txn->SerializeAsString();
  std::unique_ptr<apply::Result> result;
  w.v3->txn(w.context(), std::move(txn), bytes, {},
            [&](std::unique_ptr<apply::Result> r) { result = std::move(r); });
  EXPECT_EQ(result, nullptr);
  ASSERT_TRUE(readers.run_one());
  w.world.run_ready();
  ASSERT_NE(result, nullptr);
  EXPECT_EQ(result->as<pb::TxnResponse>().responses(0).response_range().kvs_size(), 2 * ReadBudget::kKeys);
}

TEST_F(V3ServerTest, SlowReadIsLoggedWithoutValues) {  // RD-11
  w.put("a", "secret");
  w.reader.set(absl::OkStatus());
  pb::RangeRequest request;
  request.set_key("a");
  const std::string bytes = request.SerializeAsString();
  w.v3->range(w.context(), *parse_range(bytes), {}, [](absl::StatusOr<std::string>) {});
  w.world.clock.advance(std::chrono::milliseconds(150));  // the read index took that long
  w.world.run_ready();
  ASSERT_FALSE(w.log.lines().empty());
  EXPECT_THAT(w.log.lines().back(), HasSubstr("apply request took too long took=\"150ms\""));
  EXPECT_THAT(w.log.lines().back(), HasSubstr("expected-duration=\"100ms\""));
  EXPECT_EQ(w.metrics.value("etcd_server_slow_apply_total{}"), 1);
}

TEST_F(V3ServerTest, PutGoesAsTheClientsBytes) {
  pb::PutRequest request;
  request.set_key("k");
  request.set_value("v");
  std::string bytes = request.SerializeAsString();
  bytes += std::string("\xa0\x06\x01", 3);  // a field that we don't know stays in the entry
  std::unique_ptr<apply::Result> result;
  w.v3->put(w.context(), *parse_put(bytes),
            [&](std::unique_ptr<apply::Result> r) { result = std::move(r); });
  w.world.run_ready();
  ASSERT_TRUE(result->status.ok());
  EXPECT_EQ(result->as<pb::PutResponse>().header().revision(), 2);
  ASSERT_EQ(w.proposer.proposals.size(), 1u);
  EXPECT_EQ(w.proposer.proposals[0].command, Command::put);
  EXPECT_EQ(w.proposer.proposals[0].request, bytes);
}

TEST_F(V3ServerTest, PutChecks) {
  pb::PutRequest request;
  request.set_value("v");
  EXPECT_TRUE(is(put(request)->status, EtcdError::empty_key));  // KV-01
  request.set_key("k");
  request.set_ignore_value(true);
  EXPECT_TRUE(is(put(request)->status, EtcdError::value_provided));  // KV-23
  request.set_ignore_value(false);
  request.set_ignore_lease(true);
  request.set_lease(1);
  EXPECT_TRUE(is(put(request)->status, EtcdError::lease_provided));  // KV-24
  EXPECT_TRUE(w.proposer.proposals.empty());
}

TEST_F(V3ServerTest, NoRoomRaisesTheAlarmFirst) {  // GEN-15, PUT-15, MNT-02, TRP-01, PUT-01
  w.member.size = (int64_t{2} << 30) - 256 - 2;
  pb::PutRequest request;
  request.set_key("k");
  EXPECT_TRUE(put(request)->status.ok());  // 257 bytes fit
  request.set_value("v");
  EXPECT_TRUE(is(put(request)->status, EtcdError::no_space));
  ASSERT_EQ(w.proposer.proposals.size(), 2u);
  EXPECT_EQ(w.proposer.proposals[1].command, Command::alarm);
  pb::AlarmRequest raised;
  ASSERT_TRUE(raised.ParseFromString(w.proposer.proposals[1].request));
  EXPECT_EQ(raised.action(), pb::AlarmRequest::ACTIVATE);
  EXPECT_EQ(raised.memberid(), 0xabcu);
  EXPECT_EQ(raised.alarm(), pb::NOSPACE);
  // Room comes before the fields, and an alarm that is there is not raised again.
  request.clear_key();
  w.member.size = int64_t{2} << 30;
  EXPECT_TRUE(is(put(request)->status, EtcdError::no_space));
  EXPECT_EQ(w.proposer.proposals.size(), 2u);
}

TEST_F(V3ServerTest, NoSpaceAlsoIfTheAlarmCannotBeRaised) {
  w.member.size = int64_t{2} << 30;
  w.proposer.next = std::make_unique<apply::Result>();
  w.proposer.next->status = error(EtcdError::timeout);
  pb::PutRequest request;
  request.set_key("k");
  EXPECT_TRUE(is(put(request)->status, EtcdError::no_space));
}

TEST(V3ServerQuota, NegativeMeansNone) {
  V3World w({.quota_backend_bytes = -1});
  w.member.size = int64_t{100} << 30;
  const std::string bytes("\x0a\x01k", 3);
  std::unique_ptr<apply::Result> result;
  w.v3->put(w.context(), *parse_put(bytes),
            [&](std::unique_ptr<apply::Result> r) { result = std::move(r); });
  w.world.run_ready();
  EXPECT_TRUE(result->status.ok());
}

TEST_F(V3ServerTest, PhysicalCompactionWaitsAndCommits) {  // KV-29, KV-31
  w.put("a", "1");
  auto barrier = std::make_shared<FakeBarrier>();
  w.proposer.next = std::make_unique<apply::Result>();
  w.proposer.next->response = std::make_unique<pb::CompactionResponse>();
  w.proposer.next->compaction = barrier;
  pb::CompactionRequest request;
  request.set_revision(2);
  request.set_physical(true);
  std::unique_ptr<apply::Result> result;
  w.v3->compact(w.context(), request, request.SerializeAsString(),
                [&](std::unique_ptr<apply::Result> r) { result = std::move(r); });
  w.world.run_ready();
  EXPECT_TRUE(barrier->awaited());
  EXPECT_EQ(result, nullptr);
  barrier->open();
  w.world.run_ready();
  ASSERT_NE(result, nullptr);
  EXPECT_EQ(w.member.commits, 1);
  EXPECT_EQ(result->as<pb::CompactionResponse>().header().revision(), 2);
}

TEST_F(V3ServerTest, CompactedIsAnsweredAfterTheBarrierToo) {  // KV-29
  auto barrier = std::make_shared<FakeBarrier>();
  w.proposer.next = std::make_unique<apply::Result>();
  w.proposer.next->status = error(EtcdError::compacted);
  w.proposer.next->compaction = barrier;
  pb::CompactionRequest request;
  request.set_physical(true);
  std::unique_ptr<apply::Result> result;
  w.v3->compact(w.context(), request, request.SerializeAsString(),
                [&](std::unique_ptr<apply::Result> r) { result = std::move(r); });
  w.world.run_ready();
  EXPECT_EQ(result, nullptr);
  barrier->open();
  w.world.run_ready();
  EXPECT_TRUE(is(result->status, EtcdError::compacted));
}

TEST_F(V3ServerTest, LeaseIdIsChosenAndAppended) {  // LEA-01
  pb::LeaseGrantRequest request;
  request.set_ttl(10);
  std::unique_ptr<apply::Result> result;
  w.v3->lease_grant(w.context(), request, request.SerializeAsString(),
                    [&](std::unique_ptr<apply::Result> r) { result = std::move(r); });
  w.world.run_ready();
  EXPECT_GT(result->as<pb::LeaseGrantResponse>().id(), 0);
  EXPECT_EQ(result->as<pb::LeaseGrantResponse>().ttl(), 10);
  request.set_id(-5);
  const std::string bytes = request.SerializeAsString();
  w.v3->lease_grant(w.context(), request, bytes,
                    [&](std::unique_ptr<apply::Result> r) { result = std::move(r); });
  w.world.run_ready();
  EXPECT_EQ(result->as<pb::LeaseGrantResponse>().id(), -5);
  EXPECT_EQ(w.proposer.proposals.back().request, bytes);
}

TEST_F(V3ServerTest, Status) {  // MNT-04, TRP-36
  w.put("a", "1");
  w.member.alarms_now = {{MemberId(5), apply::AlarmType::nospace}};
  w.member.leader_id = 0;
  auto status = w.v3->status(w.context());
  ASSERT_TRUE(status.ok());
  const pb::StatusResponse& s = **status;
  EXPECT_EQ(s.header().revision(), 2);
  EXPECT_EQ(s.version(), "3.7.1");
  EXPECT_EQ(s.raftindex(), 12u);
  EXPECT_EQ(s.raftappliedindex(), 11u);
  EXPECT_EQ(s.raftterm(), 7u);
  EXPECT_EQ(s.dbsize(), 8192);
  EXPECT_EQ(s.dbsizeinuse(), 4096);
  EXPECT_EQ(s.storageversion(), "3.7.0");
  EXPECT_EQ(s.dbsizequota(), int64_t{2} << 30);
  EXPECT_TRUE(s.has_downgradeinfo());
  EXPECT_THAT(s.errors(), ElementsAre("etcdserver: no leader", "memberID:5 alarm:NOSPACE"));
}

TEST_F(V3ServerTest, MemberList) {  // CLU-10, GEN-06, VD-06, RD-09, TRP-36
  std::unique_ptr<pb::MemberListResponse> list;
  const auto take = [&](absl::StatusOr<std::unique_ptr<pb::MemberListResponse>> r) {
    list = *std::move(r);
  };
  w.v3->member_list(w.context(), V3Server::Consistency::local, take);
  ASSERT_NE(list, nullptr);
  EXPECT_EQ(w.reader.reads, 0);
  EXPECT_EQ(list->header().revision(), 0);
  EXPECT_EQ(list->header().member_id(), 0xabcu);
  ASSERT_EQ(list->members_size(), 2);
  EXPECT_EQ(list->members(0).name(), "one");
  EXPECT_EQ(list->members(0).clienturls(0), "http://c1");
  EXPECT_TRUE(list->members(1).islearner());
  list.reset();
  w.v3->member_list(w.context(), V3Server::Consistency::linearizable, take);
  w.world.run_ready();
  EXPECT_EQ(w.reader.reads, 1);
  EXPECT_NE(list, nullptr);
}

TEST_F(V3ServerTest, HealthReadNeedsNoKey) {  // HTTP-04
  absl::Status status = absl::UnknownError("none");
  w.v3->health_read(w.context(), V3Server::Consistency::local, [&](absl::Status s) { status = s; });
  EXPECT_TRUE(status.ok());
  w.reader.set(error(EtcdError::timeout));
  w.v3->health_read(w.context(), V3Server::Consistency::linearizable,
                    [&](absl::Status s) { status = s; });
  w.world.run_ready();
  EXPECT_TRUE(is(status, EtcdError::timeout));
}

TEST_F(V3ServerTest, HashAndDefragment) {  // MNT-06, MNT-07, VD-05
  w.put("a", "1");
  std::unique_ptr<pb::HashKVResponse> hash;
  w.v3->hash_kv(
      w.context(), Revision(0),
      [&](absl::StatusOr<std::unique_ptr<pb::HashKVResponse>> r) { hash = *std::move(r); });
  w.world.run_ready();
  EXPECT_EQ(hash->hash_revision(), 2);
  EXPECT_EQ(hash->compact_revision(), -1);
  EXPECT_EQ(hash->header().revision(), 2);
  absl::Status status;
  w.v3->hash_kv(
      w.context(), Revision(9),
      [&](absl::StatusOr<std::unique_ptr<pb::HashKVResponse>> r) { status = r.status(); });
  w.world.run_ready();
  EXPECT_TRUE(is(status, EtcdError::future_rev));
  std::unique_ptr<pb::HashResponse> whole;
  w.v3->hash(w.context(),
             [&](absl::StatusOr<std::unique_ptr<pb::HashResponse>> r) { whole = *std::move(r); });
  w.world.run_ready();
  EXPECT_EQ(whole->hash(), 42u);
  EXPECT_EQ(whole->header().revision(), 5);
}

}  // namespace
}  // namespace holdfast::server
