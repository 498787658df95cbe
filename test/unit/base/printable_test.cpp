#include "base/printable.h"

#include <gtest/gtest.h>

namespace dlc {
namespace {

TEST(Printable, OrdinaryTextStays) {
  for (const char* text : {"", "plain", "a\\b", "größer → 日本 \U0001F600", "~ \xC2\xA0"}) {
    EXPECT_EQ(printable(text), text);
  }
}

TEST(Printable, WhatSteersATerminalOrEndsALineIsEscaped) {
  EXPECT_EQ(printable("a\x1b[31mRED\x1b]0;pwned\x07"), "a\\x1b[31mRED\\x1b]0;pwned\\x07");
  EXPECT_EQ(printable("nl\nname\r\t"), "nl\\nname\\r\\t");
  EXPECT_EQ(printable(std::string_view("\0\x7f", 2)), "\\x00\\x7f");
  EXPECT_EQ(printable("\xC2\x9B"
                      "31m\xC2\x85"),
            "\\u009b31m\\u0085");
  EXPECT_EQ(printable("\u2028 \u202Etxt.exe \u2066 \u200F"), "\\u2028 \\u202etxt.exe \\u2066 \\u200f");
}

TEST(Printable, BytesThatAreNoUtf8AreEscapedOneByOne) {
  EXPECT_EQ(printable("\xFF"
                      "a\x9B"
                      "31m"),
            "\\xffa\\x9b31m");
  EXPECT_EQ(printable("\xC3"), "\\xc3");                             // cut off
  EXPECT_EQ(printable("\xC0\x9B"), "\\xc0\\x9b");                    // overlong
  EXPECT_EQ(printable("\xE0\x82\x9B"), "\\xe0\\x82\\x9b");           // overlong
  EXPECT_EQ(printable("\xED\xA0\x80"), "\\xed\\xa0\\x80");           // a surrogate
  EXPECT_EQ(printable("\xF4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");  // behind U+10FFFF
}

TEST(Cut, CountsCharactersAndShowsThatSomethingIsMissing) {
  EXPECT_EQ(cut("größer", 6), "größer");
  EXPECT_EQ(cut("größer", 5), "größ…");
  EXPECT_EQ(cut("größer", 3), "gr…");
  EXPECT_EQ(cut("größer", 1), "…");
  EXPECT_EQ(cut("a", 0), "…");
  EXPECT_EQ(cut("", 0), "");
}

TEST(Squeezed, IsOneLine) {
  EXPECT_EQ(squeezed("a  b\n\t c\r\n"), "a b c");
  EXPECT_EQ(squeezed("  a"), "a");
  EXPECT_EQ(squeezed(" \n"), "");
  EXPECT_EQ(squeezed(""), "");
}

}  // namespace
}  // namespace dlc
