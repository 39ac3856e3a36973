// JSON as etcd's gateway reads and writes it. GW-01 GW-08
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "google/protobuf/descriptor.h"
#include "rpc.pb.h"
#include "rpc/gateway.h"
#include "rpc/json_mapping.h"
#include "rpc/json_scanner.h"
#include "test/server/v3_world.h"

namespace holdfast::rpc {
namespace {

namespace pb = etcdserverpb;
using Event = JsonScanner::Event;

// All values of `text`, fed in pieces of `step` bytes; the error, if any, at the end.
std::vector<std::string> scan(std::string_view text, size_t step) {
  JsonScanner scanner;
  std::vector<std::string> out;
  while (!text.empty()) {
    std::string_view piece = text.substr(0, step);
    text.remove_prefix(piece.size());
    while (!piece.empty()) {
      const Event event = scanner.consume(piece);
      if (event == Event::value) out.push_back(scanner.value());
      if (event == Event::failed) {
        out.push_back("! " + scanner.error());
        return out;
      }
    }
  }
  const Event event = scanner.finish();
  if (event == Event::value) out.push_back(scanner.value());
  if (event == Event::failed) out.push_back("! " + scanner.error());
  return out;
}

TEST(JsonScanner, CutsValuesAndSaysWhatIsWrongAsGoDoes) {
  const struct {
    const char* text;
    std::vector<std::string> values;
  } cases[] = {
      {"", {}},
      {" \n\t ", {}},
      {"{}", {"{}"}},
      {" {\"a\" : [1, -2.5e+3,true , null]} {}\n[]", {"{\"a\" : [1, -2.5e+3,true , null]}", "{}", "[]"}},
      {"\"\\u00e9\\\"\"12", {"\"\\u00e9\\\"\"", "12"}},
      {"0", {"0"}},
      {"truefalse", {"true", "false"}},
      {"x", {"! invalid character 'x' looking for beginning of value"}},
      {"{}'", {"{}", "! invalid character '\\'' looking for beginning of value"}},
      {"{a", {"! invalid character 'a' looking for beginning of object key string"}},
      {"{\"a\"}", {"! invalid character '}' after object key"}},
      {"{\"a\":1,}", {"! invalid character '}' looking for beginning of object key string"}},
      {"{\"a\":1]", {"! invalid character ']' after object key:value pair"}},
      {"[1,]", {"! invalid character ']' looking for beginning of value"}},
      {"[1}", {"! invalid character '}' after array element"}},
      {"{\"a", {"! unexpected EOF"}},
      {"[1", {"! unexpected EOF"}},
      {"-", {"! unexpected EOF"}},
      {"-x", {"! invalid character 'x' in numeric literal"}},
      {"1.x", {"! invalid character 'x' after decimal point in numeric literal"}},
      {"1ex", {"! invalid character 'x' in exponent of numeric literal"}},
      {"01", {"0", "1"}},
      {"trux", {"! invalid character 'x' in literal true (expecting 'e')"}},
      {"\"\n", {"! invalid character '\\n' in string literal"}},
      {"\"\\x", {"! invalid character 'x' in string escape code"}},
      {"\"\\u12g", {"! invalid character 'g' in \\u hexadecimal character escape"}},
      {"\xe9", {"! invalid character '\xc3\xa9' looking for beginning of value"}},
  };
  for (const auto& c : cases)
    for (const size_t step : {size_t{1}, size_t{2}, size_t{100}})
      EXPECT_EQ(scan(c.text, step), c.values) << c.text << " by " << step;
}

TEST(JsonScanner, DepthIsBounded) {
  EXPECT_EQ(scan(std::string(10'000, '[') + std::string(10'000, ']'), 64).size(), 1u);
  EXPECT_THAT(scan(std::string(10'001, '['), 64), testing::ElementsAre("! invalid character '[' exceeded max depth"));
}

template <class T>
std::string read(const std::string& json, T& message) {
  return from_json(json, message).value_or("");
}
template <class T>
std::string error_of(const std::string& json) {
  T message;
  return read(json, message);
}
std::string write(const google::protobuf::Message& message, Html html = Html::plain) {
  std::string out;
  append_json(out, message, html);
  return out;
}

TEST(JsonMapping, ReadsWhatGoReads) {
  pb::RangeRequest range;
  ASSERT_EQ(read(R"({"key":"YQ==", "range_end":"Yg==", "limit":"3","revision":4, "sort_order":"DESCEND",
                     "sortTarget":1,"serializable":true,"unknown":{"a":[{"b":"]"}]},"keysOnly":false})",
                 range),
            "");
  EXPECT_EQ(range.key(), "a");
  EXPECT_EQ(range.range_end(), "b");
  EXPECT_EQ(range.limit(), 3);
  EXPECT_EQ(range.revision(), 4);
  EXPECT_EQ(range.sort_order(), pb::RangeRequest::DESCEND);
  EXPECT_EQ(range.sort_target(), pb::RangeRequest::VERSION);
  EXPECT_TRUE(range.serializable());
}

TEST(JsonMapping, BytesInBothAlphabetsWithAndWithoutPadding) {
  for (const auto& [text, bytes] : std::vector<std::pair<std::string, std::string>>{
           {"", ""}, {"YQ==", "a"}, {"YQ", "a"}, {"YWI=", "ab"}, {"YWI", "ab"}, {"YWJj", "abc"},
           {"+/+/", "\xfb\xff\xbf"}, {"-_-_", "\xfb\xff\xbf"}, {"Y\\nQ\\r=\\r=", "!"}, {"YR==", "a"}}) {
    pb::PutRequest put;
    const std::string error = read("{\"key\":\"" + text + "\"}", put);
    if (bytes == "!") continue;
    EXPECT_EQ(error, "") << text;
    EXPECT_EQ(put.key(), bytes) << text;
  }
  for (const char* bad : {"Y", "YQ=", "Y=Q=", "+_+_", "YQ==YQ==", "====", "a b "})
    EXPECT_THAT(error_of<pb::PutRequest>(std::string("{\"key\":\"") + bad + "\"}"),
                testing::StartsWith("proto: (line 1:8): invalid value for bytes field key: \"")) << bad;
}

TEST(JsonMapping, Numbers) {
  for (const auto& [text, number] : std::vector<std::pair<std::string, int64_t>>{
           {"0", 0}, {"-0", 0}, {"12", 12}, {"\"12\"", 12}, {"1.0", 1}, {"1e2", 100}, {"1.5e1", 15},
           {"\"100e-2\"", 1}, {"9223372036854775807", INT64_MAX}, {"\"-9223372036854775808\"", INT64_MIN}}) {
    pb::RangeRequest range;
    EXPECT_EQ(read("{\"limit\":" + text + "}", range), "") << text;
    EXPECT_EQ(range.limit(), number) << text;
  }
  for (const char* bad : {"1.5", "9223372036854775808", "1e400", "1e99999999999", "\" 1\"", "\"1 \"",
                          "\"\"", "\"x\"", "\"0x1\"", "true", "{}", "[]"})
    EXPECT_NE(error_of<pb::RangeRequest>(std::string("{\"limit\":") + bad + "}"), "") << bad;
  pb::WatchRequest watch;
  EXPECT_EQ(read(R"({"create_request":{"watch_id":-1}})", watch), "");
  EXPECT_EQ(watch.create_request().watch_id(), -1);
}

TEST(JsonMapping, ErrorsAreProtojsons) {
  EXPECT_EQ(error_of<pb::PutRequest>("[]"), "proto: syntax error (line 1:1): unexpected token [");
  EXPECT_EQ(error_of<pb::PutRequest>("\"x\""), "proto: syntax error (line 1:1): unexpected token \"x\"");
  EXPECT_EQ(error_of<pb::PutRequest>("{\n \"key\": 1}"),
            "proto: (line 2:9): invalid value for bytes field key: 1");
  EXPECT_EQ(error_of<pb::PutRequest>(R"({"lease":"x"})"),
            "proto: (line 1:10): invalid value for int64 field lease: \"x\"");
  EXPECT_EQ(error_of<pb::PutRequest>(R"({"prevKv":1})"),
            "proto: (line 1:11): invalid value for bool field prevKv: 1");
  EXPECT_EQ(error_of<pb::PutRequest>(R"({"key":"YQ==","key":"YQ=="})"),
            "proto: (line 1:15): duplicate field \"key\"");
  EXPECT_EQ(error_of<pb::Compare>(R"({"version":1,"lease":2})"),
            "proto: (line 1:14): error parsing \"lease\", oneof etcdserverpb.Compare.target_union is "
            "already set");
  EXPECT_EQ(error_of<pb::TxnRequest>(R"({"compare":{}})"),
            "proto: syntax error (line 1:12): unexpected token {");
  EXPECT_EQ(error_of<pb::AuthUserAddRequest>("{\"name\":\"\xff\"}"),
            "proto: (line 1:9): invalid UTF-8 in string \"\xff\"");
}

TEST(JsonMapping, NullIsAbsentAndUnknownEnumNamesArePassedOver) {
  pb::RangeRequest range;
  EXPECT_EQ(read(R"({"key":null,"sort_order":"SIDEWAYS","limit":null})", range), "");
  EXPECT_EQ(write(range), "{}");
}

TEST(JsonMapping, StringsAreUnescaped) {
  pb::AuthUserAddRequest user;
  EXPECT_EQ(read(R"({"na\u006de":"\ud83d\ude00\n\/\u00e9"})", user), "");
  EXPECT_EQ(user.name(), "\xf0\x9f\x98\x80\n/\xc3\xa9");
  EXPECT_NE(read(R"({"name":"\ud83d"})", user), "");
  EXPECT_NE(read(R"({"name":"\ude00\ud83d"})", user), "");
}

TEST(JsonMapping, DepthIsBounded) {
  std::string json, end;
  for (int i = 0; i < 600; ++i) {
    json += R"({"success":[{"request_txn":)";
    end += "}]}";
  }
  pb::TxnRequest txn;
  EXPECT_EQ(read(json + "{}" + end, txn), "proto: exceeded max recursion depth");
}

// TRP-63, VD-21: 64 bits as strings, zeros not at all.
TEST(JsonMapping, WritesWhatGoWrites) {
  pb::RangeResponse range;
  range.mutable_header()->set_cluster_id(UINT64_MAX);
  range.mutable_header()->set_revision(-1);
  auto* kv = range.add_kvs();
  kv->set_key("a");
  kv->set_value(std::string("\x00\xff<", 3));
  range.add_kvs();
  range.set_more(true);
  EXPECT_EQ(write(range),
            R"({"header":{"cluster_id":"18446744073709551615","revision":"-1"},)"
            R"("kvs":[{"key":"YQ==","value":"AP88"},{}],"more":true})");
  pb::Compare compare;
  compare.set_version(0);
  compare.set_target(pb::Compare::MOD);
  EXPECT_EQ(write(compare), R"({"target":"MOD","version":"0"})");
  pb::AlarmMember alarm;
  alarm.set_alarm(static_cast<pb::AlarmType>(77));
  EXPECT_EQ(write(alarm), R"({"alarm":77})");
  pb::WatchResponse watch;
  watch.set_cancel_reason("<\"\\\x01>\n");
  EXPECT_EQ(write(watch), R"({"cancel_reason":"<\"\\\u0001>\n"})");
  EXPECT_EQ(write(watch, Html::escaped), R"({"cancel_reason":"\u003c\"\\\u0001\u003e\n"})");
}

void visit(const google::protobuf::Descriptor* type, std::set<std::string>& seen) {
  if (!seen.insert(std::string(type->full_name())).second) return;
  for (int i = 0; i < type->field_count(); ++i) {
    const auto* field = type->field(i);
    EXPECT_FALSE(field->is_map()) << field->full_name();
    EXPECT_NE(field->cpp_type(), google::protobuf::FieldDescriptor::CPPTYPE_DOUBLE) << field->full_name();
    EXPECT_NE(field->cpp_type(), google::protobuf::FieldDescriptor::CPPTYPE_FLOAT) << field->full_name();
    if (field->message_type() != nullptr) visit(field->message_type(), seen);
  }
}

// What the mapping leaves out, no route needs.
TEST(JsonMapping, EveryRouteHasTypesThatItKnows) {
  const net::GrpcServer grpc({});
  server::RecordingLogger log;
  const Gateway gateway(grpc, log, {});
  EXPECT_EQ(gateway.route_count(), 51u);
  std::set<std::string> seen;
  for (const char* path : {"/v3/kv/txn", "/v3/watch", "/v3/election/campaign", "/v3/lock/lock",
                           "/v3/maintenance/status", "/v3/auth/role/grant", "/v3/cluster/member/list",
                           "/v3/maintenance/downgrade", "/v3/lease/timetolive", "/v3beta/kv/range"}) {
    const Gateway::Route* route = gateway.find(path);
    ASSERT_NE(route, nullptr) << path;
    visit(route->method->input_type(), seen);
    visit(route->method->output_type(), seen);
  }
  EXPECT_EQ(gateway.find("/v3alpha/kv/range"), nullptr);
  EXPECT_EQ(gateway.find("/v3/kv/range/"), nullptr);
}

}  // namespace
}  // namespace holdfast::rpc
