#include "dockerfile/edit.h"

#include <gtest/gtest.h>

namespace dlc::dockerfile {
namespace {

Dockerfile read(const std::string& text) {
  Diagnostics ignored;
  return parse(text, "Dockerfile", ignored);
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

}  // namespace
}  // namespace dlc::dockerfile
