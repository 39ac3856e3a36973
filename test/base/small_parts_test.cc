// Checksums, randomness, shared bytes and the log's JSON.
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "base/crc32c.h"
#include "base/go_text.h"
#include "base/log.h"
#include "base/random.h"
#include "base/shared_bytes.h"
#include "base/text.h"
#include "gtest/gtest.h"

namespace holdfast {
namespace {

TEST(Crc32c, KnownValues) {
  // RFC 3720 B.4, and the check value of the polynomial.
  EXPECT_EQ(crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43u);
  EXPECT_EQ(crc32c(""), 0u);
  std::string bytes;
  for (int i = 0; i < 1000; ++i) bytes += static_cast<char>(i * 7);
  for (size_t cut : {size_t{0}, size_t{1}, size_t{7}, size_t{8}, size_t{500}, size_t{999}, size_t{1000}}) {
    const std::string_view all = bytes;
    EXPECT_EQ(crc32c_extend(crc32c(all.substr(0, cut)), all.substr(cut)), crc32c(all)) << cut;
  }
}

TEST(RandomNumbers, SameSeedSameSequenceWithinBounds) {
  Random a(7), b(7), c(8);
  bool differs = false;
  for (int i = 0; i < 1000; ++i) {
    const uint64_t value = a.next();
    EXPECT_EQ(value, b.next());
    differs = differs || value != c.next();
    EXPECT_LT(c.below(10), 10u);
    const int64_t between = c.between(-3, 3);
    EXPECT_TRUE(between >= -3 && between <= 3);
  }
  EXPECT_TRUE(differs);
  EXPECT_FALSE(c.chance(0, 5));
  EXPECT_TRUE(c.chance(5, 5));
  EXPECT_EQ(c.between(4, 4), 4);
}

TEST(SharedBytesTest, NilIsNotEmpty) {
  const SharedBytes nil;
  const SharedBytes empty{std::string_view()};
  EXPECT_TRUE(nil.is_nil());
  EXPECT_FALSE(empty.is_nil());
  EXPECT_TRUE(empty.empty());
  EXPECT_EQ(nil, empty);
  const SharedBytes joined = SharedBytes::concat("ab", "", "c");
  EXPECT_EQ(joined.view(), "abc");
  SharedBytes copy = joined;
  EXPECT_EQ(copy.view().data(), joined.view().data());
  copy = empty;
  EXPECT_EQ(joined.view(), "abc");
}

TEST(SharedBytesTest, CopiesOnManyThreads) {
  const SharedBytes bytes(std::string(100, 'x'));
  std::vector<std::thread> threads;
  std::atomic<size_t> total = 0;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (int n = 0; n < 1000; ++n) {
        SharedBytes copy = bytes;
        total += SharedBytes(copy).size();
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(total, 400'000u);
}

TEST(LogFields, AreJson) {
  EXPECT_EQ(LogField("a", "x\"\\\n\x01").json, R"("x\"\\\n\u0001")");
  EXPECT_EQ(LogField("a", "\xff" "b").json, R"("\ufffdb")");
  EXPECT_EQ(LogField("a", true).json, "true");
  EXPECT_EQ(LogField("a", int64_t{-5}).json, "-5");
  EXPECT_EQ(LogField("a", UINT64_MAX).json, "18446744073709551615");
  EXPECT_EQ(LogField("a", std::vector<std::string>{"x", "y"}).json, R"(["x","y"])");
  EXPECT_EQ(LogField("a", MemberId(0xabc)).json, R"("abc")");
  EXPECT_EQ(LogField("a", Revision(7)).json, "7");
  EXPECT_EQ(hex_id(0x8e9e05c52164694d), "8e9e05c52164694d");
  EXPECT_EQ(hex_id(0), "0");
}

TEST(Utf8, EveryCharacterAndNothingElse) {
  for (uint32_t c = 0; c <= 0x10ffff; ++c) {
    std::string text;
    append_utf8(text, c);
    const bool surrogate = c >= 0xd800 && c < 0xe000;
    ASSERT_EQ(utf8_length(text + "x"), surrogate ? 0 : text.size()) << c;
    for (size_t cut = 1; cut < text.size(); ++cut) ASSERT_EQ(utf8_length(text.substr(0, cut)), 0u) << c;
  }
  for (const char* bad : {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf",
                          "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xc2z", "\xe1\x80z"})
    EXPECT_EQ(utf8_length(bad), 0u) << bad;
}

TEST(AsciiLower, LettersOnly) { EXPECT_EQ(ascii_lower("AZ[`az\xc3\x84"), "az[`az\xc3\x84"); }

TEST(Text, HumanBytes) {
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(999), "999 B");
  EXPECT_EQ(human_bytes(1000), "1.0 kB");
  EXPECT_EQ(human_bytes(25'000), "25 kB");
  EXPECT_EQ(human_bytes(268'435'456), "268 MB");
  EXPECT_EQ(human_bytes(999'999), "1.0 MB");
  EXPECT_EQ(human_bytes(int64_t{2} << 30), "2.1 GB");
  EXPECT_EQ(human_bytes(int64_t{8} << 30), "8.6 GB");
}

TEST(GoText, Quotes) {
  EXPECT_EQ(go_quote(""), R"("")");
  EXPECT_EQ(go_quote("a\"\\\n\x01\xff\u00fc"), "\"a\\\"\\\\\\n\\x01\\xff\u00fc\"");
  EXPECT_EQ(go_quote("\a\b\f\r\t\v\x7f"), R"("\a\b\f\r\t\v\x7f")");
  EXPECT_EQ(go_quote(std::string_view("\0", 1)), R"("\x00")");
  // Not printable: a no-break space, a byte order mark, a private character; a surrogate and a cut character are no UTF-8.
  EXPECT_EQ(go_quote("\u00a0\ufeff\U000f0000"), R"("\u00a0\ufeff\U000f0000")");
  EXPECT_EQ(go_quote("\xed\xa0\x80\xe2\x82"), R"("\xed\xa0\x80\xe2\x82")");
  EXPECT_EQ(go_quote("\u20ac\U0001f600"), "\"\u20ac\U0001f600\"");
}

TEST(GoText, Durations) {
  const auto text = [](int64_t nanoseconds) { return go_duration(std::chrono::nanoseconds(nanoseconds)); };
  EXPECT_EQ(text(0), "0s");
  EXPECT_EQ(text(999), "999ns");
  EXPECT_EQ(text(1'500), "1.5µs");
  EXPECT_EQ(text(312'500'000), "312.5ms");
  EXPECT_EQ(text(1'000'000'001), "1.000000001s");
  EXPECT_EQ(text(120'000'000'000), "2m0s");
  EXPECT_EQ(text(3'601'500'000'000), "1h0m1.5s");
  EXPECT_EQ(text(-2'000'000), "-2ms");
  EXPECT_EQ(text(INT64_MIN), "-2562047h47m16.854775808s");
}

}  // namespace
}  // namespace holdfast
