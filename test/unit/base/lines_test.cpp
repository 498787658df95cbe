#include "base/lines.h"

#include <gmock/gmock.h>

namespace dlc {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(SplitLines, WithAndWithoutANewlineAtTheEnd) {
  EXPECT_THAT(split_lines(""), IsEmpty());
  EXPECT_THAT(split_lines("\n"), ElementsAre(""));
  EXPECT_THAT(split_lines("a"), ElementsAre("a"));
  EXPECT_THAT(split_lines("a\n"), ElementsAre("a"));
  EXPECT_THAT(split_lines("a\n\nb\r\nc"), ElementsAre("a", "", "b\r", "c"));
}

}  // namespace
}  // namespace dlc
