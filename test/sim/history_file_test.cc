// What holdfast-sim --check-history reads, and what it must find in it.
#include "sim/history_file.h"

#include "absl/strings/escaping.h"
#include "base/errors.h"
#include "fmt/format.h"
#include "gtest/gtest.h"
#include "rpc.pb.h"

namespace holdfast::sim {
namespace {

namespace pb = etcdserverpb;

std::string hex(const google::protobuf::MessageLite& message) {
  const std::string bytes = message.SerializeAsString();
  return bytes.empty() ? "-" : absl::BytesToHexString(bytes);
}

std::string put(std::string_view steps, std::string_view outcome, const std::string& value, int64_t revision) {
  pb::PutRequest request;
  request.set_key("k");
  request.set_value(value);
  pb::PutResponse response;
  response.mutable_header()->set_revision(revision);
  return fmt::format("operation 1 2 {} {} Put {} {}\n", steps, outcome, hex(request), hex(response));
}

mvccpb::KeyValue pair(const std::string& value, int64_t revision) {
  mvccpb::KeyValue kv;
  kv.set_key("k");
  kv.set_value(value);
  kv.set_create_revision(2);
  kv.set_mod_revision(revision);
  kv.set_version(revision - 1);
  return kv;
}

std::string get(std::string_view steps, const std::string& value, int64_t revision) {
  pb::RangeRequest request;
  request.set_key("k");
  pb::RangeResponse response;
  response.mutable_header()->set_revision(revision);
  response.set_count(1);
  *response.add_kvs() = pair(value, revision);
  return fmt::format("operation 2 1 {} ok Range {} {}\n", steps, hex(request), hex(response));
}

std::string store(std::string_view member, const std::string& value, int64_t revision) {
  pb::RangeResponse response;
  response.mutable_header()->set_revision(revision);
  *response.add_kvs() = pair(value, revision);
  return fmt::format("store {} {}\n", member, hex(response));
}

std::string event(std::string_view what, const std::string& value, int64_t revision) {
  pb::WatchResponse response;
  response.mutable_header()->set_revision(revision);
  *response.add_events()->mutable_kv() = pair(value, revision);
  return fmt::format("{} {}\n", what, hex(response));
}

// One put that was answered, one that was not, and happened.
std::string good() {
  return put("1 2", "ok", "a", 2) + put("3 -", "unknown", "b", 0) + get("4 5", "a", 2) + get("6 7", "b", 3) +
         "watch w 6b - 1 3\n" + event("told w", "a", 2) + event("told w", "b", 3) + event("change", "a", 2) +
         event("change", "b", 3) + store("m1", "b", 3) + store("m2", "b", 3);
}

Verdict judge(const std::string& text) {
  const auto run = parse_history(text);
  EXPECT_TRUE(run.ok()) << message(run.status());
  return check_run(*run);
}

std::string without(std::string text, const std::string& part) {
  const size_t at = text.find(part);
  EXPECT_NE(at, std::string::npos);
  return text.erase(at, part.size());
}

TEST(HistoryFile, AGoodRunHolds) {
  const auto run = parse_history(good());
  ASSERT_TRUE(run.ok());
  EXPECT_EQ(run->history.size(), 4U);
  EXPECT_EQ(run->history[1].outcome, Outcome::unknown);
  EXPECT_EQ(run->watches.size(), 1U);
  const Verdict verdict = check_run(*run);
  EXPECT_TRUE(verdict.holds()) << verdict.what;
}

TEST(HistoryFile, WhatMustBeFound) {
  EXPECT_TRUE(judge(good() + get("8 9", "a", 2)).violated()) << "an old answer";
  EXPECT_TRUE(judge(good() + put("8 9", "ok", "c", 4)).violated()) << "a lost put";
  EXPECT_TRUE(judge(good() + put("8 9", "ok", "c", 3)).violated()) << "a revision twice";
  EXPECT_TRUE(judge(without(good(), put("3 -", "unknown", "b", 0))).violated()) << "a change by nobody";
  EXPECT_TRUE(judge(without(good(), event("told w", "b", 3))).violated()) << "a watch without its last event";
  EXPECT_TRUE(judge(good() + event("told w", "b", 3)).violated()) << "an event twice";
  EXPECT_TRUE(judge(good() + store("m3", "a", 2)).violated()) << "a member that is behind";
  EXPECT_TRUE(judge(good() + store("m3", "x", 3)).violated()) << "members that differ";
  EXPECT_TRUE(judge(without(good(), event("change", "b", 3))).violated()) << "no truth";
  EXPECT_TRUE(judge(put("1 2", "ok", "a", 2)).violated()) << "no store";
}

TEST(HistoryFile, WhatMakesNoSense) {
  for (const char* line : {"", "other", "operation", "operation 1 1 1 2 ok Put - - more", "operation 1 1 1 2 ok Put zz -",
                           "operation 1 1 1 2 ok Put 0 -", "operation 1 1 1 2 fine Put - -", "operation 1 1 2 1 ok Put - -",
                           "operation 1 1 1 - ok Put - -", "operation 1 1 1 2 unknown Put - -",
                           "operation 1 1 x 2 ok Put - -", "operation 1 1 1 2 ok Get - -", "told v -", "store", "change ff",
                           "watch w 6b - 1 3 4"}) {
    const auto run = parse_history(good() + line + "\n");
    EXPECT_EQ(message(run.status()), "line 12 makes no sense") << line;
  }
}

}  // namespace
}  // namespace holdfast::sim
