#include "cli/image_build_options.h"

#include <gtest/gtest.h>

#include <algorithm>

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
  EXPECT_THROW(static_cast<void>(parse_words({"--attest", "x", "."})), Error);
  EXPECT_NO_THROW(static_cast<void>(parse_words({"--rm", "."})));
}

// docker build and docker buildx build as of buildx 0.36, with what they still accept from before.
TEST(ImageBuildOptions, EveryOptionOfDockerBuildIsInTheTable) {
  for (const std::string name : {"add-host",
                                 "allow",
                                 "annotation",
                                 "attest",
                                 "build-arg",
                                 "build-context",
                                 "builder",
                                 "cache-from",
                                 "cache-to",
                                 "call",
                                 "cgroup-parent",
                                 "check",
                                 "compress",
                                 "cpu-period",
                                 "cpu-quota",
                                 "cpu-shares",
                                 "cpuset-cpus",
                                 "cpuset-mems",
                                 "debug",
                                 "file",
                                 "force-rm",
                                 "iidfile",
                                 "isolation",
                                 "label",
                                 "load",
                                 "memory",
                                 "memory-swap",
                                 "metadata-file",
                                 "network",
                                 "no-cache",
                                 "no-cache-filter",
                                 "output",
                                 "platform",
                                 "policy",
                                 "print",
                                 "progress",
                                 "provenance",
                                 "pull",
                                 "push",
                                 "quiet",
                                 "resource",
                                 "rm",
                                 "sbom",
                                 "secret",
                                 "security-opt",
                                 "shm-size",
                                 "squash",
                                 "ssh",
                                 "tag",
                                 "target",
                                 "ulimit",
                                 "disable-content-trust"}) {
    const auto rows = image_build_options();
    EXPECT_TRUE(std::ranges::any_of(rows, [&](const auto& row) { return row.name == name; })) << "--" << name;
  }
}

TEST(ImageBuildOptions, TableIsSortedAndExplained) {
  const auto rows = image_build_options();
  EXPECT_TRUE(std::ranges::is_sorted(rows, {}, &OptionRow::name));
  for (const auto& row : rows) {
    EXPECT_FALSE(row.note.empty()) << row.name;
  }
}

TEST(ImageBuildOptions, DocumentHoldsTheTable) {
  const auto document = read_file(std::string(DLC_SOURCE_DIR) + "/docs/docker-build-options.md");
  EXPECT_NE(document.find(option_table_markdown()), std::string::npos)
      << "docs/docker-build-options.md must hold exactly this table:\n"
      << option_table_markdown();
}

}  // namespace
}  // namespace dlc::cli
