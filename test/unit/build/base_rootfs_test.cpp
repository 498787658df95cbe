#include "build/base_rootfs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dlc::build {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string failure(const std::string& line) {
  try {
    static_cast<void>(parse_bases("[[base]]\nname = \"a\"\nsuite = \"bookworm\"\n" + line + "\n", "images.toml"));
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(BaseRootfs, an_entry_may_leave_paths_out) {
  const auto bases = parse_bases(
      "[[base]]\nname = \"a\"\nsuite = \"bookworm\"\nexclude = [\"/usr/share/doc/*\"]\nkeep = "
      "[\"/usr/share/doc/*/c?\"]\n",
      "images.toml");
  ASSERT_EQ(bases.size(), 1U);
  EXPECT_THAT(bases[0].exclude, ElementsAre("/usr/share/doc/*"));
  EXPECT_THAT(bases[0].keep, ElementsAre("/usr/share/doc/*/c?"));
}

TEST(BaseRootfs, what_is_left_out_decides_which_base_it_is) {
  BaseEntry entry{.name = "a",
                  .suite = "bookworm",
                  .variant = "minbase",
                  .components = {},
                  .packages = {},
                  .exclude = {},
                  .keep = {},
                  .where = {}};
  const auto before = entry.canonical();
  entry.exclude = {"/usr/share/man/*"};
  EXPECT_NE(entry.canonical(), before);
}

TEST(BaseRootfs, a_path_left_out_is_absolute_and_plain) {
  for (const char* path : {"usr/share", "", "*", "/a b", "/a\\nb", "/$(id)"}) {
    EXPECT_THAT(failure("exclude = [\"" + std::string(path) + "\"]"), HasSubstr("exclude must hold absolute paths"))
        << path;
  }
  EXPECT_THAT(failure("keep = \"/usr\""), HasSubstr("keep must be a list of paths"));
  EXPECT_EQ(failure("exclude = [\"/*\"]"), "");
}

}  // namespace
}  // namespace dlc::build
