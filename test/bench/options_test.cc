#include "apps/holdfast-bench/options.h"

#include <set>

#include "apps/holdfast-bench/requests.h"
#include "base/errors.h"
#include "gmock/gmock.h"
#include "rpc.pb.h"

namespace holdfast::bench {
namespace {

using testing::HasSubstr;

TEST(Options, Everything) {
  auto line = parse({"txn-put", "--endpoint=https://localhost:2380", "--connections", "3", "--streams=4",
                     "--threads", "8", "--requests=1000", "--duration=1m30s", "--warm-up=250ms", "--timeout=1s",
                     "--key-space=7", "--key-size=64", "--value-size=0", "--sequential", "--seed=9",
                     "--cacert=ca.pem", "--cert=c.pem", "--key=k.pem", "--json"});
  ASSERT_TRUE(line.ok()) << line.status();
  const Options& o = line->options;
  EXPECT_EQ(o.operation, Operation::txn_put);
  EXPECT_EQ(o.address, "127.0.0.1");
  EXPECT_EQ(o.port, 2380);
  EXPECT_EQ(o.connections, 3u);
  EXPECT_EQ(o.streams, 4u);
  EXPECT_EQ(o.threads, 3u) << "no more than connections";
  EXPECT_EQ(o.requests, 1000u);
  EXPECT_EQ(o.duration, env::Duration(std::chrono::seconds(90)));
  EXPECT_EQ(o.warm_up, env::Duration(std::chrono::milliseconds(250)));
  EXPECT_EQ(o.key_space, 7u);
  EXPECT_EQ(o.key_bytes, 64u);
  EXPECT_EQ(o.value_bytes, 0u);
  EXPECT_EQ(o.order, KeyOrder::sequential);
  ASSERT_TRUE(o.tls);
  EXPECT_EQ(o.tls->ca, "ca.pem");
  EXPECT_EQ(o.format, ReportFormat::json);
}

TEST(Options, EndsSometime) {
  EXPECT_EQ(parse({"put"})->options.duration, env::Duration(std::chrono::seconds(5)));
  EXPECT_FALSE(parse({"put", "--requests=5"})->options.duration);
}

TEST(Options, Help) {
  EXPECT_TRUE(parse({"put", "--help"})->help);
  EXPECT_THAT(usage(), HasSubstr("--key-space N"));
}

std::string refusal(const std::vector<std::string>& arguments) {
  auto line = parse(arguments);
  return line.ok() ? "accepted" : std::string(message(line.status()));
}

TEST(Options, Refusals) {
  EXPECT_EQ(refusal({}), "which operation?");
  EXPECT_EQ(refusal({"put", "range"}), "one operation at a time, but there is \"range\" too");
  EXPECT_EQ(refusal({"push"}), "no operation \"push\"");
  EXPECT_EQ(refusal({"put", "--speed=9"}), "no flag --speed");
  EXPECT_EQ(refusal({"put", "--streams"}), "--streams needs N");
  EXPECT_EQ(refusal({"put", "--streams=0"}), "--streams 0: must be a number from 1 to 10000");
  EXPECT_EQ(refusal({"put", "--streams=5x"}), "--streams 5x: must be a number from 1 to 10000");
  EXPECT_EQ(refusal({"put", "--json=yes"}), "--json takes no value");
  EXPECT_EQ(refusal({"put", "--duration=5"}), "--duration 5: must be a duration such as 500ms or 10s");
  EXPECT_EQ(refusal({"put", "--endpoint=localhost"}), "--endpoint localhost: must be ADDRESS:PORT");
  EXPECT_EQ(refusal({"put", "--endpoint=a:99999"}),
            "--endpoint a:99999: must be ADDRESS:PORT with a port from 1 to 65535");
  EXPECT_EQ(refusal({"put", "--cert=c.pem"}), "--cert and --key go together");
}

TEST(Requests, KeysHaveTheirLengthAndDiffer) {
  Options options;
  options.key_bytes = 16;
  options.key_space = 10'000'000'000;
  Requests requests(options, 1);
  EXPECT_EQ(requests.key(42), "bench/0000000042");
  EXPECT_EQ(requests.key(options.key_space - 1).size(), 16u);
  EXPECT_EQ(requests.key(options.key_space - 1), "bench/9999999999");
}

TEST(Requests, SequentialGoesRound) {
  Options options;
  options.order = KeyOrder::sequential;
  options.key_space = 3;
  options.value_bytes = 10;
  Requests requests(options, 1);
  std::set<std::string> keys;
  for (uint64_t n = 0; n < 6; ++n) {
    etcdserverpb::PutRequest put;
    ASSERT_TRUE(put.ParseFromString(requests.make(n)));
    EXPECT_EQ(put.key(), requests.key(n % 3));
    EXPECT_EQ(put.value().size(), 10u);
    keys.insert(put.key());
  }
  EXPECT_EQ(keys.size(), 3u);
}

TEST(Requests, ReadsAndTransactions) {
  Options options;
  options.operation = Operation::range;
  options.consistency = Consistency::serializable;
  etcdserverpb::RangeRequest range;
  ASSERT_TRUE(range.ParseFromString(Requests(options, 1).make(0)));
  EXPECT_TRUE(range.serializable());
  options.operation = Operation::txn_put;
  etcdserverpb::TxnRequest txn;
  ASSERT_TRUE(txn.ParseFromString(Requests(options, 1).make(0)));
  ASSERT_EQ(txn.success_size(), 1);
  EXPECT_EQ(txn.success(0).request_put().value().size(), 128u);
}

}  // namespace
}  // namespace holdfast::bench
