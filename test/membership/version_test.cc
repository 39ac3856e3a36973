#include "membership/version.h"

#include "gtest/gtest.h"

namespace holdfast::membership {
namespace {

Version v(std::string_view text) { return parse_version(text).value(); }

TEST(Version, IsParsed) {
  EXPECT_EQ(v("3.7.1"), (Version{3, 7, 1, {}}));
  EXPECT_EQ(v("3.8.0-alpha.0"), (Version{3, 8, 0, "alpha.0"}));
  EXPECT_EQ(v("3.7.1+git"), (Version{3, 7, 1, {}}));
  for (std::string_view bad : {"", "3", "3.7", "3.7.", "3.7.1.2", "a.b.c", "3.7.1-", "3.-7.1",
                               "3.7.99999999999999999999", " 3.7.1"})
    EXPECT_FALSE(parse_version(bad).has_value()) << bad;
  EXPECT_EQ(parse_version_or_major_minor("3.6"), v("3.6.0"));  // MNT-10
  EXPECT_EQ(parse_version_or_major_minor("3.6.2"), v("3.6.2"));
  EXPECT_FALSE(parse_version_or_major_minor("3").has_value());
  EXPECT_EQ(v("3.8.0-alpha.0").to_string(), "3.8.0-alpha.0");
  EXPECT_EQ(v("3.8.2").major_minor(), "3.8");
}

TEST(Version, IsOrdered) {
  const std::vector<std::string_view> ascending = {
      "3.6.9", "3.7.0-alpha", "3.7.0-alpha.1", "3.7.0-alpha.2", "3.7.0-alpha.10", "3.7.0-alpha.x",
      "3.7.0-rc.0", "3.7.0", "3.7.1", "3.10.0", "4.0.0"};
  for (size_t i = 0; i < ascending.size(); ++i)
    for (size_t j = 0; j < ascending.size(); ++j)
      EXPECT_EQ(v(ascending[i]) <=> v(ascending[j]), i <=> j) << ascending[i] << " " << ascending[j];
}

TEST(Version, ClusterVersionChanges) {  // VER-02, VER-03
  EXPECT_TRUE(is_valid_cluster_version_change(v("3.5.0"), v("3.7.0")));
  EXPECT_TRUE(is_valid_cluster_version_change(v("3.7.0"), v("3.6.4")));
  EXPECT_FALSE(is_valid_cluster_version_change(v("3.7.0"), v("3.5.0")));
  EXPECT_FALSE(is_valid_cluster_version_change(v("3.7.0"), v("3.7.1")));
  EXPECT_FALSE(is_valid_cluster_version_change(v("3.7.0"), v("4.0.0")));
  EXPECT_EQ(allowed_downgrade(v("3.7.2")), v("3.6.0"));
  EXPECT_TRUE(check_not_older(v("3.7.1"), v("3.7.0")).ok());
  EXPECT_TRUE(check_not_older(v("3.7.1"), v("3.6.0")).ok());
  EXPECT_FALSE(check_not_older(v("3.7.1"), v("3.8.0")).ok());
}

}  // namespace
}  // namespace holdfast::membership
