#include "base/user_namespace.h"

#include <gtest/gtest.h>

namespace dlc {
namespace {

constexpr const char* kSubids =
    "# comment\nann:100000:65536\nbob:165536:1000\n1001:300000:65536\nbob:400000:100000\nbad:x:1\nshort\nann:\n";

TEST(UserNamespace, ranges_by_name_or_number_in_their_order) {
  EXPECT_EQ(subordinate_ranges(kSubids, "ann", 1000), (std::vector<IdRange>{{100000, 65536}}));
  EXPECT_EQ(subordinate_ranges(kSubids, "bob", 1001),
            (std::vector<IdRange>{{165536, 1000}, {300000, 65536}, {400000, 100000}}));
  EXPECT_TRUE(subordinate_ranges(kSubids, "bad", 7).empty());
  EXPECT_TRUE(subordinate_ranges(kSubids, "short", 7).empty());
  EXPECT_TRUE(subordinate_ranges("", "ann", 1000).empty());
}

TEST(UserNamespace, the_user_is_root_and_the_ranges_follow_without_a_gap) {
  EXPECT_EQ(id_map_arguments(1000, {{100000, 65536}}),
            (std::vector<std::string>{"0", "1000", "1", "1", "100000", "65536"}));
  EXPECT_EQ(id_map_arguments(5, {{165536, 1000}, {400000, 100000}, {900000, 1}}),
            (std::vector<std::string>{"0", "5", "1", "1", "165536", "1000", "1001", "400000", "64536"}));
}

}  // namespace
}  // namespace dlc
