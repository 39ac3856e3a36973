#include "mvcc/key_value.h"

#include "base/random.h"
#include "gtest/gtest.h"

namespace holdfast::mvcc {
namespace {

KeyValueView pair(std::string_view key, std::string_view value, int64_t created, int64_t modified,
                  int64_t version, int64_t lease) {
  return {.key = key,
          .value = value,
          .create_revision = Revision(created),
          .mod_revision = Revision(modified),
          .version = version,
          .lease = LeaseId(lease)};
}

// BKT-17, TRP-57: fields in the order of their numbers, zero ones left out, negative numbers in ten
// bytes.
TEST(KeyValueCodec, BytesAreGos) {
  EXPECT_EQ(encode(pair("foo", "bar", 2, 300, 1, 0)),
            std::string_view("\x0a\x03"
                             "foo\x10\x02\x18\xac\x02\x20\x01\x2a\x03"
                             "bar"));
  EXPECT_EQ(encode(pair("k", "", 1, 1, 1, 5)),
            std::string_view("\x0a\x01k\x10\x01\x18\x01\x20\x01\x30\x05"));
  EXPECT_EQ(encode(pair("k", "", 0, 0, 0, 0)), std::string_view("\x0a\x01k"));  // a tombstone
  EXPECT_EQ(encode(pair("", "", 0, 0, 0, -1)),
            std::string_view("\x30\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"));
}

TEST(KeyValueCodec, WhatIsWrittenIsRead) {
  Random random(1);
  for (int i = 0; i < 2000; ++i) {
    const std::string key(random.below(200), static_cast<char>(random.next()));
    const std::string value(random.below(400), static_cast<char>(random.next()));
    auto number = [&] { return static_cast<int64_t>(random.next() >> random.below(64)); };
    const KeyValueView written = pair(key, value, number(), number(), number(), number());
    std::string bytes(encoded_size(written), '\0');
    const KeyValueView there = encode(written, bytes.data());
    KeyValueView read;
    ASSERT_TRUE(decode(bytes, read));
    EXPECT_EQ(read.copy(), written.copy());
    EXPECT_EQ(there.copy(), written.copy());
    EXPECT_EQ(there.encoded, bytes);
    EXPECT_GE(there.value.data(), bytes.data());
  }
}

TEST(KeyValueCodec, DamageIsNoticed) {
  const std::string bytes = encode(pair("key", "value", 1, 2, 3, 4));
  KeyValueView read;
  for (size_t n = 1; n < bytes.size(); ++n) decode(std::string_view(bytes).substr(0, n), read);
  EXPECT_FALSE(decode(std::string_view(bytes).substr(0, 3), read));
  EXPECT_FALSE(decode(std::string(16, '\0'), read));
  EXPECT_FALSE(decode("\x08\x01", read));  // the key as a number
  EXPECT_TRUE(decode("\x38\x01", read));   // a field of the future
}

}  // namespace
}  // namespace holdfast::mvcc
