// What is wrong with a request before it is proposed.
#include "apply/checks.h"

#include "test/apply/apply_world.h"

namespace holdfast::apply {
namespace {

namespace pb = etcdserverpb;

std::string text_of(const absl::Status& status) { return std::string(message(status)); }

pb::TxnRequest txn(const std::string& text) { return ApplyWorld::parse("txn { " + text + " }").txn(); }

std::string check(const std::string& text, int max_ops = 128) {
  return text_of(check_txn_request(txn(text), max_ops));
}

const std::string kEmptyKey = "etcdserver: key is not provided";
const std::string kDuplicate = "etcdserver: duplicate key given in txn request";
const std::string kTooMany = "etcdserver: too many operations in txn request";

// KV-01, KV-10, ERR-01, ERR-08
TEST(Checks, Range) {
  pb::RangeRequest request;
  EXPECT_EQ(text_of(check_range_request(request)), kEmptyKey);
  request.set_key("a");
  EXPECT_EQ(text_of(check_range_request(request)), "");
  for (int bad : {-1, 3}) {
    request.set_sort_order(static_cast<pb::RangeRequest::SortOrder>(bad));
    EXPECT_EQ(text_of(check_range_request(request)), "etcdserver: invalid sort option");
  }
  request.set_sort_order(pb::RangeRequest::DESCEND);
  for (int bad : {-1, 5}) {
    request.set_sort_target(static_cast<pb::RangeRequest::SortTarget>(bad));
    EXPECT_EQ(text_of(check_range_request(request)), "etcdserver: invalid sort option");
  }
}

// RS-02, ERR-68
TEST(Checks, RangeStream) {
  pb::RangeRequest request;
  EXPECT_EQ(text_of(check_range_stream_request(request)), kEmptyKey);
  request.set_key("a");
  request.set_sort_order(pb::RangeRequest::ASCEND);
  EXPECT_EQ(text_of(check_range_stream_request(request)), "");
  request.set_sort_order(pb::RangeRequest::DESCEND);
  const absl::Status sorted = check_range_stream_request(request);
  EXPECT_EQ(text_of(sorted), "RangeStream does not support custom sort orders");
  EXPECT_EQ(sorted.code(), absl::StatusCode::kUnimplemented);
  request.set_sort_order(pb::RangeRequest::NONE);
  request.set_sort_target(pb::RangeRequest::MOD);
  EXPECT_EQ(text_of(check_range_stream_request(request)), "");
  request.set_min_mod_revision(1);
  EXPECT_EQ(text_of(check_range_stream_request(request)), "RangeStream does not support revision filters");
}

// KV-01, KV-23, KV-24, ERR-03, ERR-04
TEST(Checks, PutAndDelete) {
  pb::PutRequest put;
  EXPECT_EQ(text_of(check_put_request(put)), kEmptyKey);
  put.set_key("a");
  put.set_ignore_value(true);
  put.set_ignore_lease(true);
  EXPECT_EQ(text_of(check_put_request(put)), "");
  put.set_lease(1);
  EXPECT_EQ(text_of(check_put_request(put)), "etcdserver: lease is provided");
  put.set_value("v");
  EXPECT_EQ(text_of(check_put_request(put)), "etcdserver: value is provided");
  EXPECT_EQ(text_of(check_delete_request({})), kEmptyKey);
}

// TXN-02
TEST(Checks, TxnFields) {
  EXPECT_EQ(check(""), "");
  EXPECT_EQ(check("compare { target: VERSION }"), kEmptyKey);
  EXPECT_EQ(check("success { request_put { } }"), kEmptyKey);
  EXPECT_EQ(check("failure { request_range { key: 'a' sort_order: 7 } }"), "etcdserver: invalid sort option");
  EXPECT_EQ(check("failure { request_txn { success { request_delete_range { } } } }"), kEmptyKey);
  EXPECT_EQ(check("success { }"), "etcdserver: key not found");
}

// TXN-01, ERR-05
TEST(Checks, TxnOperations) {
  const auto many = [](const std::string& one, int n) {
    std::string all;
    for (int i = 0; i < n; ++i) all += one;
    return all;
  };
  const std::string get = "success { request_range { key: 'a' } } ";
  EXPECT_EQ(check(many(get, 128)), "");
  EXPECT_EQ(check(many(get, 129)), kTooMany);
  EXPECT_EQ(check(many("compare { key: 'a' } ", 129)), kTooMany);
  EXPECT_EQ(check(many("failure { request_range { key: 'a' } } ", 129)), kTooMany);
  // A nested one has what its parent leaves.
  EXPECT_EQ(check(many(get, 2) + "success { request_txn { " + many(get, 2) + " } }", 5), "");
  EXPECT_EQ(check(many(get, 2) + "success { request_txn { " + many(get, 3) + " } }", 5), kTooMany);
  // As deep as that allows.
  std::string deep;
  for (int i = 0; i < 6; ++i) deep = "success { request_txn { " + deep + " } }";
  EXPECT_EQ(check(deep, 6), "");
  EXPECT_EQ(check(deep, 5), kTooMany);
}

// TXN-03, TXN-04, ERR-06, TRP-11
TEST(Checks, TxnWritesThatMeet) {
  const auto put = [](const std::string& key) { return "success { request_put { key: '" + key + "' } } "; };
  const auto del = [](const std::string& key, const std::string& end = "") {
    return "success { request_delete_range { key: '" + key + "' range_end: '" + end + "' } } ";
  };
  const auto nested = [](const std::string& inside) { return "success { request_txn { " + inside + "} } "; };
  const auto otherwise = [](std::string inside) {
    for (size_t at; (at = inside.find("success")) != std::string::npos;) inside.replace(at, 7, "failure");
    return inside;
  };
  EXPECT_EQ(check(put("a") + put("b")), "");
  EXPECT_EQ(check(put("a") + put("a")), kDuplicate);
  EXPECT_EQ(check(otherwise(put("a") + put("a"))), kDuplicate);
  EXPECT_EQ(check(put("a") + otherwise(put("a"))), "");
  EXPECT_EQ(check(put("a") + del("a")), kDuplicate);
  EXPECT_EQ(check(del("a") + put("a")), kDuplicate);
  EXPECT_EQ(check(del("a", "c") + put("b")), kDuplicate);
  EXPECT_EQ(check(del("a", "c") + put("c")), "");
  EXPECT_EQ(check(del("a", "c") + del("b", "d") + del("a")), "");
  EXPECT_EQ(check(del("a", "c") + del("b", "e") + put("d")), kDuplicate);
  EXPECT_EQ(check(nested(put("a")) + put("a")), kDuplicate);
  EXPECT_EQ(check(put("a") + nested(put("a"))), kDuplicate);
  EXPECT_EQ(check(nested(put("a") + otherwise(put("a")))), "");
  EXPECT_EQ(check(nested(put("a") + otherwise(put("a"))) + put("a")), kDuplicate);
  EXPECT_EQ(check(nested(put("a")) + nested(put("a"))), kDuplicate);
  EXPECT_EQ(check(nested(del("a")) + put("a")), kDuplicate);
  EXPECT_EQ(check(nested(del("a")) + nested(put("a"))), kDuplicate);
  // Open ends look inverted and meet nothing but a put of their very first key, if at all.
  EXPECT_EQ(check(del("a", "\\000") + put("b")), "");
}

}  // namespace
}  // namespace holdfast::apply
