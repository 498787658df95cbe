#include "verify/size_rule.h"

#include <gtest/gtest.h>

namespace dlc::verify {
namespace {

constexpr std::uint64_t kMebi = 1U << 20;

store::IndexEntry file(const std::string& path, std::uint64_t mebi) {
  store::IndexEntry entry;
  entry.path = path;
  entry.size = mebi * kMebi;
  return entry;
}

TEST(SizeRule, LimitIsExact) {
  EXPECT_FALSE(over_baseline(1200 * kMebi, 1000));
  EXPECT_TRUE(over_baseline(1200 * kMebi + 1, 1000));
  EXPECT_FALSE(over_baseline(1, 1));
  EXPECT_FALSE(over_baseline(1ULL << 60, 0)) << "no baseline, no rule";
}

TEST(SizeRule, MibRoundsToNearest) {
  EXPECT_EQ(to_mib(0), 0);
  EXPECT_EQ(to_mib(kMebi / 2), 1);
  EXPECT_EQ(to_mib(kMebi / 2 - 1), 0);
}

TEST(SizeRule, NamesDisjointHeavyPlaces) {
  const std::vector<store::IndexEntry> index{file("usr/lib/python3/dist-packages/tensorflow/core.so", 500),
                                             file("usr/lib/python3/dist-packages/numpy/a.so", 40),
                                             file("usr/lib/libc.so", 2), file("opt/model.bin", 100)};
  const auto places = largest_paths(index, 3, 2);
  ASSERT_EQ(places.size(), 2U);
  EXPECT_EQ(places[0].path, "/usr/lib/python3/dist-packages/tensorflow/core.so");
  EXPECT_EQ(places[0].bytes, 500 * kMebi);
  EXPECT_EQ(places[0].layer, 3U);
  EXPECT_EQ(places[1].path, "/opt/model.bin");
}

TEST(SizeRule, DirectoryOfManySmallFilesIsNamedItself) {
  std::vector<store::IndexEntry> index;
  for (int i = 0; i < 20; ++i) {
    index.push_back(file("opt/data/part" + std::to_string(i), 1));
  }
  index.push_back(file("opt/data-other", 3));
  const auto places = largest_paths(index, 1, 1);
  ASSERT_EQ(places.size(), 1U);
  EXPECT_EQ(places[0].path, "/opt/data");
  EXPECT_EQ(places[0].bytes, 20 * kMebi) << "a neighbour whose name begins alike does not count";
}

TEST(SizeRule, FindingSumsAndRanksLayers) {
  bool read = false;
  const auto index = [&] {
    read = true;
    return std::vector{file("a", 90)};
  };
  const std::vector<SizedLayer> layers{{30 * kMebi, "RUN a", nullptr}, {91 * kMebi, "RUN b", index}};
  EXPECT_FALSE(check_size(layers, 101).over);
  EXPECT_FALSE(read) << "indexes are read only where the image is too large";
  const auto finding = check_size(layers, 100);
  EXPECT_TRUE(finding.over);
  EXPECT_EQ(finding.bytes, 121 * kMebi);
  ASSERT_EQ(finding.layers.size(), 2U);
  EXPECT_EQ(finding.layers[0].number, 2U);
  EXPECT_EQ(finding.layers[0].made_by, "RUN b");
  ASSERT_EQ(finding.paths.size(), 1U);
  EXPECT_EQ(finding.paths[0].path, "/a");
}

TEST(SizeRule, GrowthNamesWhatGrew) {
  const std::vector<store::IndexEntry> before{file("usr/lib/tf/a.so", 10), file("usr/lib/tf/b.so", 10), file("old", 5)};
  const std::vector<store::IndexEntry> now{file("usr/lib/tf/a.so", 60), file("usr/lib/tf/b.so", 10), file("new", 3)};
  const auto result = growth(before, now, 2);
  EXPECT_EQ(result.bytes, static_cast<std::int64_t>(48 * kMebi));
  ASSERT_EQ(result.paths.size(), 2U);
  EXPECT_EQ(result.paths[0].path, "/usr/lib/tf/a.so");
  EXPECT_EQ(result.paths[0].bytes, 50 * kMebi);
  EXPECT_EQ(result.paths[1].path, "/new");
}

}  // namespace
}  // namespace dlc::verify
