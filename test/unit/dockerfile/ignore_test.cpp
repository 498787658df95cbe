#include "dockerfile/ignore.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace dlc::dockerfile {
namespace {

using Lines = std::vector<std::string>;

bool ignored(const Lines& lines, std::string_view path) {
  return IgnoreMatcher(lines).ignored(path);
}

TEST(Ignore, ReadsTheFile) {
  EXPECT_THAT(parse_ignore_file("\xef\xbb\xbf# c\r\n\r\n a \r\n/b/\r\n! /c\r\n #d\r\nx/../y\n!\n.."),
              testing::ElementsAre("a", "b", "!c", "#d", "y", "!", ".."));
  EXPECT_THAT(parse_ignore_file(""), testing::IsEmpty());
}

TEST(Ignore, NamesAreAnchoredAndCoverWhatIsBelow) {
  EXPECT_TRUE(ignored({"a"}, "a"));
  EXPECT_TRUE(ignored({"a"}, "a/b/c"));
  EXPECT_FALSE(ignored({"a"}, "b/a"));
  EXPECT_FALSE(ignored({"a"}, "ab"));
  EXPECT_TRUE(ignored({"/a/"}, "a"));
  EXPECT_TRUE(ignored({"./a"}, "a"));
  EXPECT_FALSE(ignored({"../a"}, "a"));
  EXPECT_FALSE(ignored({}, "a"));
}

TEST(Ignore, Wildcards) {
  EXPECT_TRUE(ignored({"*.md"}, "a.md"));
  EXPECT_FALSE(ignored({"*.md"}, "x/a.md"));
  EXPECT_TRUE(ignored({"*/a"}, "x/a"));
  EXPECT_TRUE(ignored({"tmp?"}, "tmp1"));
  EXPECT_FALSE(ignored({"tmp?"}, "tmp/"));
  EXPECT_TRUE(ignored({"tmp[12]"}, "tmp2"));
  EXPECT_TRUE(ignored({"[^a]x"}, "bx"));
  EXPECT_FALSE(ignored({"[^a]x"}, "ax"));
  EXPECT_TRUE(ignored({"[!a]x"}, "!x"));
  EXPECT_TRUE(ignored({"[a-c]"}, "b"));
  EXPECT_FALSE(ignored({"a[^b]c"}, "a/c"));
  EXPECT_TRUE(ignored({"\\*"}, "*"));
  EXPECT_FALSE(ignored({"\\*"}, "a"));
  EXPECT_TRUE(ignored({"caf?"}, "café"));
}

TEST(Ignore, DoubleStar) {
  EXPECT_TRUE(ignored({"**/*.md"}, "a.md"));
  EXPECT_TRUE(ignored({"**/*.md"}, "x/y/a.md"));
  EXPECT_TRUE(ignored({"**/y/**/k"}, "a/y/b/c/k"));
  EXPECT_TRUE(ignored({"**/y/**/k"}, "y/k"));
  EXPECT_FALSE(ignored({"**/y/**/k"}, "yy/k"));
  EXPECT_TRUE(ignored({"a/**"}, "a/b"));
  EXPECT_FALSE(ignored({"a/**"}, "a"));
  EXPECT_TRUE(ignored({"**"}, "a/b"));
  EXPECT_TRUE(ignored({"a/**/b"}, "a/b"));
}

TEST(Ignore, TheLastLineThatMatchesDecides) {
  EXPECT_FALSE(ignored({"*", "!x"}, "x/y"));
  EXPECT_TRUE(ignored({"*", "!x", "x/y"}, "x/y/z"));
  EXPECT_FALSE(ignored({"*", "!x", "x/y", "!x/y/z"}, "x/y/z"));
  EXPECT_TRUE(ignored({"!a", "*"}, "a"));
  EXPECT_FALSE(ignored({"*", "! a"}, "a"));
}

TEST(Ignore, TellsWhereAWalkMustGoOn) {
  const IgnoreMatcher none({"*"});
  EXPECT_FALSE(none.may_contain_included("a"));
  const IgnoreMatcher deep({"*", "!x/y/a.txt"});
  EXPECT_TRUE(deep.may_contain_included("x"));
  EXPECT_TRUE(deep.may_contain_included("x/y"));
  EXPECT_FALSE(deep.may_contain_included("z"));
  EXPECT_FALSE(deep.may_contain_included("x/z"));
  const IgnoreMatcher anywhere({"*", "!**/keep"});
  EXPECT_TRUE(anywhere.may_contain_included("a/b"));
  const IgnoreMatcher star({"*", "!*/b/c"});
  EXPECT_TRUE(star.may_contain_included("q/b"));
  EXPECT_FALSE(star.may_contain_included("q/d"));
}

TEST(Ignore, WrongPatterns) {
  EXPECT_THROW(IgnoreMatcher({"!"}), Error);
  EXPECT_THROW(IgnoreMatcher({"a[b"}), Error);
  EXPECT_THROW(IgnoreMatcher({"a[]"}), Error);
  EXPECT_THROW(IgnoreMatcher({"a\\"}), Error);
  EXPECT_THROW(IgnoreMatcher({"[b-"}), Error);
  EXPECT_THROW(IgnoreMatcher({"[b\\"}), Error);
  EXPECT_NO_THROW(IgnoreMatcher({"", "  ", "a]"}));
  EXPECT_TRUE(IgnoreMatcher({" "}).empty());
}

TEST(Ignore, GlobForSources) {
  EXPECT_TRUE(glob_match("arr[[]0].txt", "arr[0].txt"));
  EXPECT_TRUE(glob_match("**", "ab"));
  EXPECT_FALSE(glob_match("**", "a/b"));
  EXPECT_FALSE(glob_match("[", "["));
  EXPECT_FALSE(glob_match("?", ""));
  EXPECT_TRUE(glob_match("*", ""));
  EXPECT_TRUE(glob_match("?", "\xff"));
  EXPECT_TRUE(glob_is_valid("a*[b-c]"));
  EXPECT_FALSE(glob_is_valid("["));
}

TEST(Ignore, LongPatternsTakeNoExponentialTime) {
  std::string pattern;
  for (int i = 0; i < 200; ++i) {
    pattern += "*a";
  }
  EXPECT_FALSE(glob_match(pattern + "b", std::string(2000, 'a')));
}

}  // namespace
}  // namespace dlc::dockerfile
