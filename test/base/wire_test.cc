// Protobuf's wire format by hand: numbers at their limits, input that ends too early, what is not known.
#include "base/wire.h"

#include "gtest/gtest.h"

namespace holdfast::wire {
namespace {

std::string written(uint64_t v) {
  std::string out;
  Writer(out).varint(v);
  return out;
}

TEST(Wire, Varints) {
  for (uint64_t v : {uint64_t{0}, uint64_t{1}, uint64_t{127}, uint64_t{128}, uint64_t{300}, uint64_t{1} << 63, UINT64_MAX}) {
    const std::string bytes = written(v);
    EXPECT_EQ(bytes.size(), varint_size(v));
    for (size_t n = 0; n < bytes.size(); ++n) {
      std::string_view cut = std::string_view(bytes).substr(0, n);
      uint64_t read = 0;
      EXPECT_FALSE(consume_varint(cut, read)) << v;
    }
    std::string_view whole = bytes;
    uint64_t read = 0;
    EXPECT_TRUE(consume_varint(whole, read));
    EXPECT_EQ(read, v);
    EXPECT_TRUE(whole.empty());
  }
  EXPECT_EQ(written(300), "\xac\x02");
  std::string_view endless = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff";
  uint64_t read = 0;
  EXPECT_FALSE(consume_varint(endless, read));
}

TEST(Wire, Fields) {
  std::string out;
  Writer writer(out);
  writer.put_uint64(1, 300);
  writer.put_int64(2, -1);
  writer.put_bool(3, true);
  writer.put_bytes(4, "abc");
  writer.put_fixed64(5, 7);
  writer.put_nonzero_uint64(6, 0);
  writer.put_nonzero_int64(7, 0);
  writer.put_nonempty_bytes(8, "");
  Reader reader(out);
  Field field;
  ASSERT_TRUE(reader.next(field));
  EXPECT_EQ(field.number, 1u);
  EXPECT_EQ(field.varint, 300u);
  ASSERT_TRUE(reader.next(field));
  EXPECT_EQ(field.as_int64(), -1);
  EXPECT_EQ(field.as_int32(), -1);
  ASSERT_TRUE(reader.next(field));
  EXPECT_TRUE(field.as_bool());
  ASSERT_TRUE(reader.next(field));
  EXPECT_EQ(field.bytes, "abc");
  ASSERT_TRUE(reader.next(field));
  EXPECT_EQ(field.type, Type::fixed64);
  EXPECT_EQ(field.varint, 7u);
  EXPECT_FALSE(reader.next(field));
  EXPECT_TRUE(reader.ok());
}

// True if all fields can be walked.
bool walks(std::string_view input) {
  Reader reader(input);
  Field field;
  while (reader.next(field)) {
  }
  return reader.ok();
}

TEST(Wire, MalformedInputIsRefused) {
  EXPECT_TRUE(walks(""));
  const std::string_view bad[] = {
      "\x0a",                      // a length is missing
      "\x0a\x05" "abcd",           // and bytes are
      "\x0a\xff\xff\xff\xff\x0f",  // four gigabytes of them
      "\x09" "1234567",            // seven bytes of eight
      "\x0d" "123",                // three of four
      std::string_view("\x00\x01", 2),  // field 0
      "\x0e",                      // type 6
      "\x0b",                      // a group that doesn't end
      "\x0c",                      // one that didn't begin
      "\x0b\x14",                  // one that ends as another
  };
  for (std::string_view input : bad) EXPECT_FALSE(walks(input)) << testing::PrintToString(input);
  // Groups are passed over.
  Reader reader("\x0b\x10\x01\x0c\x18\x05");
  Field field;
  ASSERT_TRUE(reader.next(field));
  EXPECT_EQ(field.number, 3u);
  EXPECT_EQ(field.varint, 5u);
  EXPECT_FALSE(walks(std::string(100'000, '\x0b')));
}

}  // namespace
}  // namespace holdfast::wire
