#include "cli/image_build_options.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/files.h"

namespace dlc::cli {
namespace {

GivenArguments parse_words(const std::vector<std::string>& words) {
  return parse_image_build(words);
}

TEST(ImageBuildOptions, TakesAllSpellings) {
  const auto given = parse_words({"-fDockerfile.cpu", "-t", "a", "--tag=b", "-qt", "c", "--pull=never", "."});
  EXPECT_EQ(given.last("file"), "Dockerfile.cpu");
  EXPECT_EQ(given.all("tag"), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_TRUE(given.flag("quiet"));
  EXPECT_EQ(given.last("pull"), "never");
  EXPECT_EQ(given.operands, std::vector<std::string>{"."});
}

TEST(ImageBuildOptions, FlagTakesNoFollowingWord) {
  const auto given = parse_words({"--no-cache", "."});
  EXPECT_TRUE(given.flag("no-cache"));
  EXPECT_EQ(given.operands, std::vector<std::string>{"."});
  EXPECT_FALSE(parse_words({"--no-cache=false", "."}).flag("no-cache"));
}

TEST(ImageBuildOptions, DashIsAnOperandAndAValue) {
  const auto given = parse_words({"-f", "-", "-"});
  EXPECT_EQ(given.last("file"), "-");
  EXPECT_EQ(given.operands, std::vector<std::string>{"-"});
}

TEST(ImageBuildOptions, UnknownOptionGetsASuggestion) {
  try {
    static_cast<void>(parse_words({"--buildarg", "A=1", "."}));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    EXPECT_EQ(error.hint(), "did you mean --build-arg?");
  }
}

TEST(ImageBuildOptions, WhatIsNotThereYetSaysSo) {
  EXPECT_THROW(static_cast<void>(parse_words({"--cache-from", "x", "."})), Error);
  EXPECT_NO_THROW(static_cast<void>(parse_words({"--rm", "."})));
}

TEST(ImageBuildOptions, DocumentHoldsTheTable) {
  const auto document = read_file(std::string(DLC_SOURCE_DIR) + "/docs/docker-build-options.md");
  EXPECT_NE(document.find(option_table_markdown()), std::string::npos)
      << "docs/docker-build-options.md must hold exactly this table:\n"
      << option_table_markdown();
}

}  // namespace
}  // namespace dlc::cli
