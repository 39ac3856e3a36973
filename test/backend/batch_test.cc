#include "backend/batch.h"

#include <cstring>

#include "gtest/gtest.h"

namespace holdfast::backend {
namespace {

void append(Batch& batch, RevisionKey key, std::string_view value) {
  std::memcpy(batch.append(key, value.size()), value.data(), value.size());
}

TEST(Batch, FindsRecordsAcrossSegments) {
  Batch batch;
  constexpr int64_t kRecords = 20'000;
  for (int64_t i = 0; i < kRecords; ++i) append(batch, {{i * 2, 3}}, std::to_string(i));
  ASSERT_EQ(batch.record_count(), size_t{kRecords});
  for (int64_t i = 0; i < kRecords; ++i) {
    const Batch::Record* record = batch.find(RevisionPair{i * 2, 3});
    ASSERT_NE(record, nullptr);
    EXPECT_EQ(record->view(), std::to_string(i));
    EXPECT_EQ(batch.find(RevisionPair{i * 2, 2}), nullptr);
    EXPECT_EQ(batch.find(RevisionPair{i * 2 + 1, 0}), nullptr);
    EXPECT_EQ(batch.lower_bound({i * 2, 4}), static_cast<size_t>(i + 1));
  }
}

TEST(Batch, ValuesKeepTheirPlace) {
  Batch batch;
  std::vector<std::pair<const char*, std::string>> written;
  for (int i = 0; i < 300; ++i) {
    const std::string value(static_cast<size_t>(i) * 411 % 70'000, static_cast<char>('a' + i % 26));
    append(batch, {{i, 0}}, value);
    written.emplace_back(batch.find(RevisionPair{i, 0})->value, value);
  }
  for (const auto& [place, value] : written)
    EXPECT_EQ(std::string_view(place, value.size()), value);
}

TEST(Batch, LastChangeOfAKeyCounts) {
  Batch batch;
  batch.put(Bucket::meta, "a", "1");
  batch.put(Bucket::meta, "a", "2");
  batch.put(Bucket::meta, "b", std::nullopt);
  std::optional<std::string> value;
  ASSERT_TRUE(batch.find(Bucket::meta, "a", value));
  EXPECT_EQ(value, "2");
  ASSERT_TRUE(batch.find(Bucket::meta, "b", value));
  EXPECT_EQ(value, std::nullopt);
  EXPECT_FALSE(batch.find(Bucket::auth, "a", value));
  Batch::Changes changes{{"a", "0"}, {"c", "3"}};
  batch.overlay(Bucket::meta, "a", "b", changes);
  EXPECT_EQ(changes, (Batch::Changes{{"a", "2"}, {"c", "3"}}));
}

// TRP-55
TEST(RevisionKey, BytesAreEtcds) {
  EXPECT_EQ(RevisionKeyBytes(RevisionPair{0x0102, 3}).view(),
            std::string_view("\0\0\0\0\0\0\1\2_\0\0\0\0\0\0\0\3", 17));
  EXPECT_EQ(RevisionKeyBytes(RevisionKey{{1, 0}, true}).view(),
            std::string_view("\0\0\0\0\0\0\0\1_\0\0\0\0\0\0\0\0t", 18));
  RevisionKey key;
  EXPECT_TRUE(parse_revision_key(RevisionKeyBytes(RevisionKey{{7, 9}, true}), key));
  EXPECT_EQ(key, (RevisionKey{{7, 9}, true}));
  EXPECT_FALSE(parse_revision_key("short", key));
  EXPECT_FALSE(parse_revision_key(std::string(17, '\0'), key));
  EXPECT_FALSE(parse_revision_key("\xff\0\0\0\0\0\0\1_\0\0\0\0\0\0\0\0", key));
}

}  // namespace
}  // namespace holdfast::backend
