#include "dockerfile/edit.h"

#include <gtest/gtest.h>

namespace dlc::dockerfile {
namespace {

Dockerfile read(const std::string& text) {
  Diagnostics ignored;
  return parse(text, "Dockerfile", ignored);
}

std::string with_package(const std::string& text, const std::string& package) {
  const auto file = read(text);
  const auto list = find_apt_list(text, file, file.stages.size() - 1);
  return list ? add_apt_package(text, file, *list, package) : "none";
}

TEST(DockerfileEdit, AnInstructionComesBelowTheLastThatMakesFiles) {
  const std::string head = "FROM a AS one\nRUN x \\\n  y\n";
  const std::string tail = "# why\nENV A=b\nFROM one\nLABEL x=y\n";
  const auto file = read(head + tail);
  EXPECT_EQ(add_instruction(head + tail, file, 0, "COPY a /a"), head + "COPY a /a\n" + tail);
  EXPECT_EQ(add_instruction(head + tail, file, 1, "COPY a /a"),
            head + "# why\nENV A=b\nFROM one\nCOPY a /a\nLABEL x=y\n");
  EXPECT_EQ(add_instruction("FROM a\r\nRUN x", read("FROM a\r\nRUN x"), 0, "COPY a /a"),
            "FROM a\r\nRUN x\r\nCOPY a /a\r\n");
  const std::string heredoc = "FROM a\nRUN <<E\nFROM x\nE\nCMD x\n";
  EXPECT_EQ(add_instruction(heredoc, read(heredoc), 0, "COPY a /a"), "FROM a\nRUN <<E\nFROM x\nE\nCOPY a /a\nCMD x\n");
}

TEST(DockerfileEdit, StagesByNameNumberAndUse) {
  const auto file =
      read("FROM a AS base\nFROM b AS packages\nFROM base AS Ec2\nCOPY --from=packages /x /x\nFROM ec2 AS sm\n");
  EXPECT_EQ(find_stage(file, std::nullopt), 3U);
  EXPECT_EQ(find_stage(file, "EC2"), 2U);
  EXPECT_EQ(find_stage(file, "1"), 1U);
  EXPECT_EQ(find_stage(file, "nope"), std::nullopt);
  EXPECT_EQ(stage_ancestry(file, 3), (std::vector<std::size_t>{3, 2, 0}));
  EXPECT_EQ(stages_read_by(file, 3), (std::vector<std::size_t>{3, 2, 0, 1}));
}

TEST(DockerfileEdit, WhereACopyPutsAFile) {
  const auto file = read("FROM a\nCOPY x.py y.py /usr/bin/\nCOPY ./z.py /z\nCOPY --from=a w.py /w\n");
  ASSERT_EQ(copies_of(file, 0, "y.py").size(), 1U);
  EXPECT_EQ(copies_of(file, 0, "y.py")[0].destination, "/usr/bin/y.py");
  EXPECT_EQ(copies_of(file, 0, "z.py")[0].destination, "/z");
  EXPECT_TRUE(copies_of(file, 0, "w.py").empty());
  EXPECT_TRUE(copy_that_makes(file, 0, "/usr/bin/x.py").has_value());
  EXPECT_FALSE(copy_that_makes(file, 0, "/usr/bin/z.py").has_value());
}

TEST(DockerfileEdit, CopyInstructions) {
  EXPECT_EQ(copy_instruction("a.py", "/a.py", "0755"), "COPY --chmod=0755 a.py /a.py");
  EXPECT_EQ(copy_instruction("a b", "/a b", ""), "COPY [\"a b\", \"/a b\"]");
}

const std::string kHead =
    "FROM a\nRUN apt-get update \\\n && X=y apt-get install -y -t stable --no-install-recommends \\\n";
const std::string kTail = " && apt-get clean \\\n && rm -rf /var/lib/apt/lists/*\n";

TEST(DockerfileEdit, APackageGoesToItsPlaceInASortedList) {
  const std::string list = "      bzip2 \\\n      # comment\n      python3 \\\n";
  EXPECT_EQ(with_package(kHead + list + kTail, "less"),
            kHead + "      bzip2 \\\n      # comment\n      less \\\n      python3 \\\n" + kTail);
  EXPECT_EQ(with_package(kHead + list + kTail, "apt"),
            kHead + "      apt \\\n      bzip2 \\\n      # comment\n      python3 \\\n" + kTail);
  EXPECT_EQ(with_package(kHead + list + kTail, "zip"),
            kHead + "      bzip2 \\\n      # comment\n      python3 \\\n      zip \\\n" + kTail);
}

TEST(DockerfileEdit, AListOnOneLine) {
  EXPECT_EQ(with_package("FROM a\nRUN apt-get install -y a=1 c && x\n", "b"),
            "FROM a\nRUN apt-get install -y a=1 b c && x\n");
  EXPECT_EQ(with_package("FROM a\nRUN apt-get install -y a c; x\n", "d"), "FROM a\nRUN apt-get install -y a c d; x\n");
  EXPECT_EQ(with_package("FROM a\nRUN apt-get install -y c a\n", "b"), "FROM a\nRUN apt-get install -y c a b\n");
}

TEST(DockerfileEdit, TheLastWordOfAListMayEndTheRun) {
  EXPECT_EQ(with_package("FROM a\nRUN apt-get install -y \\\n  a \\\n  c\nCMD x\n", "d"),
            "FROM a\nRUN apt-get install -y \\\n  a \\\n  c \\\n  d\nCMD x\n");
  EXPECT_EQ(with_package("# escape=`\nFROM a\nRUN apt-get install -y `\n  a `\n  c\n", "b"),
            "# escape=`\nFROM a\nRUN apt-get install -y `\n  a `\n  b `\n  c\n");
}

TEST(DockerfileEdit, TheListOfAParentStageCounts) {
  const std::string text =
      "FROM a AS b\nRUN apt-get install -y x\nFROM c\nRUN apt-get install -y y\nFROM b\nRUN pip install z\n";
  EXPECT_EQ(with_package(text, "z"),
            "FROM a AS b\nRUN apt-get install -y x z\nFROM c\nRUN apt-get install -y y\nFROM b\nRUN pip install z\n");
  EXPECT_EQ(with_package("FROM a\nRUN apt-get update && apt-get clean\n", "z"), "none");
}

TEST(DockerfileEdit, PackagesAreKnownWithoutVersion) {
  const std::string text = "FROM a\nRUN apt-get install -y libc6:amd64 curl=7.1\n";
  const auto file = read(text);
  const auto list = find_apt_list(text, file, 0);
  ASSERT_TRUE(list);
  EXPECT_TRUE(has_package(*list, "curl"));
  EXPECT_TRUE(has_package(*list, "libc6"));
  EXPECT_FALSE(has_package(*list, "libc"));
}

}  // namespace
}  // namespace dlc::dockerfile
