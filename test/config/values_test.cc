// Go's forms of values, URLs and feature gates.
#include <gtest/gtest.h>

#include "apps/holdfast/feature_gates.h"
#include "apps/holdfast/go_values.h"
#include "apps/holdfast/url.h"
#include "base/go_text.h"

namespace holdfast::config {
namespace {

std::string text_of(const absl::Status& status) { return std::string(status.message()); }

TEST(GoValues, Bools) {
  for (const char* yes : {"1", "t", "T", "TRUE", "true", "True"})
    EXPECT_EQ(parse_go_bool(yes).value(), true) << yes;
  for (const char* no : {"0", "f", "F", "FALSE", "false", "False"})
    EXPECT_EQ(parse_go_bool(no).value(), false) << no;
  for (const char* bad : {"", "yes", "tRUE", "2", "true "})
    EXPECT_EQ(text_of(parse_go_bool(bad).status()), "parse error") << bad;
}

TEST(GoValues, Integers) {
  EXPECT_EQ(parse_go_uint("0", 64).value(), 0u);
  EXPECT_EQ(parse_go_uint("18446744073709551615", 64).value(), UINT64_MAX);
  EXPECT_EQ(parse_go_uint("0x1F", 64).value(), 31u);
  EXPECT_EQ(parse_go_uint("0b101", 64).value(), 5u);
  EXPECT_EQ(parse_go_uint("0o17", 64).value(), 15u);
  EXPECT_EQ(parse_go_uint("017", 64).value(), 15u);
  EXPECT_EQ(parse_go_uint("1_000_000", 64).value(), 1'000'000u);
  EXPECT_EQ(parse_go_uint("4294967295", 32).value(), UINT32_MAX);
  for (const char* bad : {"", "-1", "+1", "abc", "1__0", "1_", "_1", "0x", "08", "1.5", " 1", "0b2"})
    EXPECT_EQ(text_of(parse_go_uint(bad, 64).status()), "parse error") << bad;
  EXPECT_EQ(text_of(parse_go_uint("18446744073709551616", 64).status()), "value out of range");
  EXPECT_EQ(text_of(parse_go_uint("4294967296", 32).status()), "value out of range");
  EXPECT_EQ(parse_go_int("-9223372036854775808").value(), INT64_MIN);
  EXPECT_EQ(parse_go_int("+7").value(), 7);
  EXPECT_EQ(text_of(parse_go_int("9223372036854775808").status()), "value out of range");
  EXPECT_EQ(text_of(parse_go_int("--1").status()), "parse error");
}

TEST(GoValues, Durations) {
  using namespace std::chrono_literals;
  EXPECT_EQ(parse_go_duration("5s").value(), 5s);
  EXPECT_EQ(parse_go_duration("1h2m3.5s").value(), 1h + 2min + 3500ms);
  EXPECT_EQ(parse_go_duration("0").value(), 0s);
  EXPECT_EQ(parse_go_duration("-1.5ms").value(), -1500us);
  EXPECT_EQ(parse_go_duration(".5us").value(), 500ns);
  EXPECT_EQ(parse_go_duration("1.s").value(), 1s);
  EXPECT_EQ(parse_go_duration("3\xC2\xB5s").value(), 3us);
  EXPECT_EQ(parse_go_duration("9223372036854775807ns").value().count(), INT64_MAX);
  EXPECT_EQ(parse_go_duration("-9223372036854775808ns").value().count(), INT64_MIN);
  EXPECT_EQ(text_of(parse_go_duration("10").status()), "time: missing unit in duration \"10\"");
  EXPECT_EQ(text_of(parse_go_duration("1d").status()),
            "time: unknown unit \"d\" in duration \"1d\"");
  for (const char* bad : {"", "s", ".s", "-", "9223372036854775808ns", "3000000h"})
    EXPECT_EQ(text_of(parse_go_duration(bad).status()),
              "time: invalid duration " + go_quote(bad));
}

TEST(GoValues, DurationText) {
  using namespace std::chrono_literals;
  EXPECT_EQ(go_duration(0s), "0s");
  EXPECT_EQ(go_duration(1min), "1m0s");
  EXPECT_EQ(go_duration(2h), "2h0m0s");
  EXPECT_EQ(go_duration(300ms), "300ms");
  EXPECT_EQ(go_duration(1500us), "1.5ms");
  EXPECT_EQ(go_duration(17ns), "17ns");
  EXPECT_EQ(go_duration(-3500ms), "-3.5s");
  EXPECT_EQ(go_duration(1h + 1ns), "1h0m0.000000001s");
  EXPECT_EQ(go_duration(env::Duration(INT64_MIN)), "-2562047h47m16.854775808s");
}

// FLG-09
TEST(Urls, AreSortedAndUnique) {
  const auto urls = parse_urls("http://b:2, https://a:1,http://b:2,HTTP://b:1");
  ASSERT_TRUE(urls.ok());
  EXPECT_EQ(join_urls(*urls), "http://b:1,http://b:2,https://a:1");
  EXPECT_TRUE(urls->back().is_tls());
  EXPECT_EQ(urls->back().hostname(), "a");
  EXPECT_EQ(urls->back().port(), "1");
}

TEST(Urls, UnixSockets) {
  const auto urls = parse_urls("unix://localhost:12345,unixs:///tmp/member.sock");
  ASSERT_TRUE(urls.ok());
  EXPECT_EQ(urls->at(0).socket_path(), "localhost:12345");
  EXPECT_EQ(urls->at(1).socket_path(), "/tmp/member.sock");
  EXPECT_TRUE(urls->at(1).is_unix());
  EXPECT_TRUE(urls->at(1).is_tls());
}

TEST(Urls, Errors) {
  const auto error = [](const char* text) { return text_of(parse_urls(text).status()); };
  EXPECT_EQ(error("http://localhost"),
            "URL address does not have the form \"host:port\": http://localhost");
  EXPECT_EQ(error("http://localhost:1/x"),
            "URL must not contain a path: http://localhost:1/x");
  EXPECT_EQ(error("localhost:2379"),
            "URL scheme must be http, https, unix, or unixs: localhost:2379");
  EXPECT_EQ(error("127.0.0.1:2379"),
            "parse \"127.0.0.1:2379\": first path segment in URL cannot contain colon");
  EXPECT_EQ(error("http://a:b"), "parse \"http://a:b\": invalid port \":b\" after host");
  EXPECT_EQ(error(":x"), "parse \":x\": missing protocol scheme");
  EXPECT_EQ(error("http://a:1,"), "URL scheme must be http, https, unix, or unixs: ");
  EXPECT_EQ(error("http://[::1:2"), "parse \"http://[::1:2\": missing ']' in host");
  EXPECT_EQ(error("http://\x01:2"),
            "parse \"http://\\x01:2\": net/url: invalid control character in URL");
}

TEST(Urls, HostAndPort) {
  EXPECT_EQ(split_host_port("[::1]:80")->host, "::1");
  EXPECT_EQ(split_host_port(":80")->host, "");
  EXPECT_EQ(text_of(split_host_port("a").status()), "address a: missing port in address");
  EXPECT_EQ(text_of(split_host_port("::1:80").status()), "address ::1:80: too many colons in address");
  EXPECT_EQ(text_of(split_host_port("[::1]").status()), "address [::1]: missing port in address");
  EXPECT_TRUE(is_ip_address("10.0.0.1"));
  EXPECT_TRUE(is_ip_address("fe80::1"));
  EXPECT_FALSE(is_ip_address("010.0.0.1"));
  EXPECT_FALSE(is_ip_address("example.com"));
}

TEST(Urls, NamedUrls) {
  const auto named = parse_named_urls("b=http://b:1,a=http://a:2,,a=http://a:1");
  ASSERT_TRUE(named.ok());
  ASSERT_EQ(named->size(), 2u);
  EXPECT_EQ(named->at(0).first, "a");
  EXPECT_EQ(join_urls(named->at(0).second), "http://a:1,http://a:2");
  EXPECT_FALSE(parse_named_urls("a").ok());
}

// FG-01..FG-09
TEST(FeatureGates, Defaults) {  // VD-02, FG-02, FG-05, FG-06
  const FeatureGates gates;
  for (const FeatureSpec& spec : feature_specs())
    EXPECT_EQ(gates.enabled(spec.feature), spec.stage == FeatureStage::beta) << spec.name;
  EXPECT_EQ(gates.text(), "");
}

TEST(FeatureGates, ExplicitWinsOverItsGroup) {
  FeatureGates gates;
  ASSERT_TRUE(gates.set("AllAlpha=true, LeaseCheckpoint = false ,AllBeta=false").ok());
  EXPECT_TRUE(gates.enabled(Feature::priority_request));
  EXPECT_FALSE(gates.enabled(Feature::lease_checkpoint));
  EXPECT_FALSE(gates.enabled(Feature::fast_lease_keep_alive));
  for (const FeatureGates::Shown& feature : gates.shown())
    EXPECT_EQ(feature.enabled, feature.stage == FeatureStage::alpha && feature.name != "LeaseCheckpoint") << feature.name;
  EXPECT_NE(gates.text().find("AllAlpha=true,AllBeta=false,CompactHashCheck=true"),
            std::string::npos);
}

// FG-10
TEST(FeatureGates, Errors) {
  FeatureGates gates;
  EXPECT_EQ(text_of(gates.set("Nope=true")), "unrecognized feature gate: Nope");
  EXPECT_EQ(text_of(gates.set("LeaseCheckpoint")), "missing bool value for LeaseCheckpoint");
  EXPECT_EQ(text_of(gates.set("LeaseCheckpoint=maybe")),
            "invalid value of LeaseCheckpoint=maybe, err: strconv.ParseBool: parsing \"maybe\": "
            "invalid syntax");
  EXPECT_EQ(gates, FeatureGates());
}

}  // namespace
}  // namespace holdfast::config
