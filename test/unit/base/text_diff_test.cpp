#include "base/text_diff.h"

#include <gtest/gtest.h>

namespace dlc {
namespace {

TEST(TextDiff, EqualTextsHaveNone) {
  EXPECT_EQ(unified_diff("a", "x\n", "b", "x\n"), "");
}

TEST(TextDiff, ThreeLinesOfContext) {
  EXPECT_EQ(unified_diff("a", "1\n2\n3\n4\n5\n6\n7\n8\n9\n", "b", "1\n2\n3\n4\nfive\n6\n7\n8\n9\n"),
            "--- a\n+++ b\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n");
}

TEST(TextDiff, FarChangesAreHunksOfTheirOwn) {
  std::string before;
  for (int i = 1; i <= 30; ++i) {
    before += std::to_string(i) + "\n";
  }
  auto after = before;
  after.replace(after.find("2\n"), 2, "");  // the second line goes
  after.replace(after.find("29\n"), 3, "29\nnew\n");
  EXPECT_EQ(unified_diff("a", before, "b", after),
            "--- a\n+++ b\n@@ -1,5 +1,4 @@\n 1\n-2\n 3\n 4\n 5\n@@ -27,4 +26,5 @@\n 27\n 28\n 29\n+new\n 30\n");
}

TEST(TextDiff, ChangesOfOneHunk) {
  EXPECT_EQ(unified_diff("a", "1\n2\n3\n4\n5\n6\n7\n8\n", "b", "one\n2\n3\n4\n5\n6\n7\neight\n"),
            "--- a\n+++ b\n@@ -1,8 +1,8 @@\n-1\n+one\n 2\n 3\n 4\n 5\n 6\n 7\n-8\n+eight\n");
}

TEST(TextDiff, NoNewlineAtTheEnd) {
  EXPECT_EQ(unified_diff("a", "1", "b", "1\n"), "--- a\n+++ b\n@@ -1 +1 @@\n-1\n\\ No newline at end of file\n+1\n");
  EXPECT_EQ(unified_diff("a", "", "b", "1\n"), "--- a\n+++ b\n@@ -0,0 +1 @@\n+1\n");
}

}  // namespace
}  // namespace dlc
