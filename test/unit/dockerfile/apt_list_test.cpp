#include "dockerfile/apt_list.h"

#include <gtest/gtest.h>

namespace dlc::dockerfile {
namespace {

Dockerfile read(const std::string& text) {
  Diagnostics ignored;
  return parse(text, "Dockerfile", ignored);
}

std::vector<AptList> lists_in(const std::string& text, const Dockerfile& file) {
  return find_apt_lists(text, file, file.stages.size() - 1);
}

std::string with_package(const std::string& text, const std::string& package) {
  const auto file = read(text);
  const auto lists = lists_in(text, file);
  if (lists.empty()) {
    return "none";
  }
  return lists.front().problem.empty() ? add_apt_package(text, file, lists.front(), package) : lists.front().problem;
}

/// The RUN's text with the package "mc".
std::string run_with_mc(const std::string& command) {
  const std::string head = "FROM a\nRUN ";
  const auto text = with_package(head + command + "\n", "mc");
  return text.starts_with(head) ? text.substr(head.size(), text.size() - head.size() - 1) : text;
}

const std::string kHead =
    "FROM a\nRUN apt-get update \\\n && X=y apt-get install -y -t stable --no-install-recommends \\\n";
const std::string kTail = " && apt-get clean \\\n && rm -rf /var/lib/apt/lists/*\n";

TEST(AptList, APackageGoesToItsPlaceInASortedList) {
  const std::string list = "      bzip2 \\\n      # comment\n      python3 \\\n";
  EXPECT_EQ(with_package(kHead + list + kTail, "less"),
            kHead + "      bzip2 \\\n      # comment\n      less \\\n      python3 \\\n" + kTail);
  EXPECT_EQ(with_package(kHead + list + kTail, "apt"),
            kHead + "      apt \\\n      bzip2 \\\n      # comment\n      python3 \\\n" + kTail);
  EXPECT_EQ(with_package(kHead + list + kTail, "zip"),
            kHead + "      bzip2 \\\n      # comment\n      python3 \\\n      zip \\\n" + kTail);
}

TEST(AptList, AListOnOneLine) {
  EXPECT_EQ(with_package("FROM a\nRUN apt-get install -y a=1 c && x\n", "b"),
            "FROM a\nRUN apt-get install -y a=1 b c && x\n");
  EXPECT_EQ(with_package("FROM a\nRUN apt-get install -y a c; x\n", "d"), "FROM a\nRUN apt-get install -y a c d; x\n");
  EXPECT_EQ(with_package("FROM a\nRUN apt-get install -y c a\n", "b"), "FROM a\nRUN apt-get install -y c a b\n");
}

TEST(AptList, TheLastWordOfAListMayEndTheRun) {
  EXPECT_EQ(with_package("FROM a\nRUN apt-get install -y \\\n  a \\\n  c\nCMD x\n", "d"),
            "FROM a\nRUN apt-get install -y \\\n  a \\\n  c \\\n  d\nCMD x\n");
  EXPECT_EQ(with_package("# escape=`\nFROM a\nRUN apt-get install -y `\n  a `\n  c\n", "b"),
            "# escape=`\nFROM a\nRUN apt-get install -y `\n  a `\n  b `\n  c\n");
}

TEST(AptList, TheListOfAParentStageCounts) {
  const std::string text =
      "FROM a AS b\nRUN apt-get install -y x\nFROM c\nRUN apt-get install -y y\nFROM b\nRUN pip install z\n";
  EXPECT_EQ(with_package(text, "z"),
            "FROM a AS b\nRUN apt-get install -y x z\nFROM c\nRUN apt-get install -y y\nFROM b\nRUN pip install z\n");
  EXPECT_EQ(with_package("FROM a\nRUN apt-get update && apt-get clean\n", "z"), "none");
}

struct RunCase {
  const char* before;
  const char* after;
};

TEST(AptList, WhatIsNoWordOfTheCommandStaysBehindThePackages) {
  const RunCase cases[] = {
      {"apt-get install -y less >/dev/null 2>&1", "apt-get install -y less mc >/dev/null 2>&1"},
      {"apt-get install -y less > /dev/null && x", "apt-get install -y less mc > /dev/null && x"},
      {"apt-get install -y >/dev/null less", "apt-get install -y >/dev/null less mc"},
      {"apt-get install -y less&>log", "apt-get install -y less mc&>log"},
      {"apt-get install -y less # nano", "apt-get install -y less mc # nano"},
      {"apt-get install -y less \\\n  # nano\n  zip", "apt-get install -y less \\\n  # nano\n  mc \\\n  zip"},
      {"(apt-get install -y less) || true", "(apt-get install -y less mc) || true"},
      {"A=$(dpkg --print x; (y)) && apt-get install -y less", "A=$(dpkg --print x; (y)) && apt-get install -y less mc"},
      {"apt-get install -y \"less\" \"$MORE\" ${X:-a b}", "apt-get install -y \"less\" \"$MORE\" ${X:-a b} mc"},
      {"apt-get install -y less; echo \"apt-get install x\" '; apt-get install y'",
       "apt-get install -y less mc; echo \"apt-get install x\" '; apt-get install y'"},
      {"apt-get install -y le\\\nss", "apt-get install -y le\\\nss mc"},
      {"apt-get install -y ./a.deb less", "apt-get install -y ./a.deb less mc"},
  };
  for (const auto& [before, after] : cases) {
    EXPECT_EQ(run_with_mc(before), after) << before;
  }
}

TEST(AptList, WhatOnlyTheShellCanReadIsRefused) {
  const std::string substitution = "a command substitution stands among the packages of this apt-get install";
  const std::string heredoc = "the apt-get install of this RUN stands in or beside a heredoc";
  const RunCase cases[] = {
      {"apt-get install -y $(cat list) less", substitution.c_str()},
      {"apt-get install -y `cat list` less", substitution.c_str()},
      {"apt-get install -y \"$(cat list)\" less", substitution.c_str()},
      {"apt-get install -y less \"mo", "a quote that does not end stands among the packages of this apt-get install"},
      {"apt-get install -y lib{a,b}", "\"lib{a,b}\" stands among the packages of this apt-get install"},
      {"<<eof\napt-get install -y less\nrm -f /x\neof", heredoc.c_str()},
      {"<<EOF bash -e\napt-get install -y less\nEOF", heredoc.c_str()},
      {"apt-get install -y less <<E\ny\nE", heredoc.c_str()},
      {"<<eof\necho\neof", "none"},
      {"[\"apt-get\", \"install\", \"less\"]", "none"},
      {"sh -c 'apt-get install -y less'", "none"},
  };
  for (const auto& [before, after] : cases) {
    EXPECT_EQ(run_with_mc(before), after) << before;
  }
}

TEST(AptList, AProblemHasItsPlace) {
  const std::string text = "FROM a\nRUN x && \\\n  apt-get install $(y)\nRUN <<E\napt-get install z\nE\n";
  const auto file = read(text);
  const auto lists = lists_in(text, file);
  ASSERT_EQ(lists.size(), 2U);
  EXPECT_EQ(lists[0].problem_at.line, 4);
  EXPECT_EQ(lists[0].problem_at.column, 1);
  EXPECT_EQ(lists[1].problem_at.line, 3);
  EXPECT_EQ(lists[1].problem_at.column, 19);
}

TEST(AptList, PackagesAreKnownByName) {
  const std::string text = "FROM a\nRUN apt-get install -y libc6:amd64 \"curl\" curl=7.1 'z'\n";
  const auto file = read(text);
  const auto lists = lists_in(text, file);
  ASSERT_EQ(lists.size(), 1U);
  EXPECT_EQ(words_of(lists[0], "curl").size(), 2U);
  EXPECT_EQ(words_of(lists[0], "libc6").size(), 1U);
  EXPECT_EQ(words_of(lists[0], "z").size(), 1U);
  EXPECT_TRUE(words_of(lists[0], "libc").empty());
}

}  // namespace
}  // namespace dlc::dockerfile
