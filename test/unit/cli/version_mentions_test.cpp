#include "cli/version_mentions.h"

#include <gtest/gtest.h>

#include "base/files.h"

namespace dlc::cli {
namespace {

TEST(VersionMentions, AWordOfItsOwn) {
  EXPECT_TRUE(names_version("mxnet==1.9.1", "1.9.1"));
  EXPECT_TRUE(names_version("docker/1.9.1/py3, see 1.9.1.", "1.9.1"));
  EXPECT_TRUE(names_version("v1.9.1-cpu", "1.9.1"));
  EXPECT_FALSE(names_version("1.9.10", "1.9.1"));
  EXPECT_FALSE(names_version("11.9.1 2.1.9.1 1.9.1.2", "1.9.1"));
  EXPECT_EQ(replace_version("a:1.9.1-1.9.1 1.9.10", "1.9.1", "2"), "a:2-2 1.9.10");
}

TEST(VersionMentions, FilesBelow) {
  const TemporaryDirectory root(std::filesystem::temp_directory_path(), "dlc-mentions-");
  std::filesystem::create_directories(root.path() / "b/skipped");
  std::filesystem::create_directories(root.path() / ".hidden");
  write_file_atomically(root.path() / "b/skipped/x", "1.0\n");
  write_file_atomically(root.path() / ".hidden/x", "1.0\n");
  write_file_atomically(root.path() / "b/two", "no\n  is 1.0  \n");
  write_file_atomically(root.path() / "a", "1.0");
  write_file_atomically(root.path() / "binary", std::string("1.0\0", 4));
  std::vector<Mention> found;
  add_mentions_below(root.path(), "", "1.0", [](const std::string& path) { return path == "b/skipped"; }, found);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].path, "a");
  EXPECT_EQ(found[0].line, 1);
  EXPECT_EQ(found[0].text, "1.0");
  EXPECT_EQ(found[1].path, "b/two");
  EXPECT_EQ(found[1].line, 2);
  EXPECT_EQ(found[1].text, "is 1.0");
}

}  // namespace
}  // namespace dlc::cli
