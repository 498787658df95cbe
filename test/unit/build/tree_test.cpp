#include "build/tree.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "base/files.h"
#include "build/context_tree.h"
#include "build/root_tree.h"
#include "build/selection.h"

namespace dlc::build {
namespace {

namespace fs = std::filesystem;

class TreeTest : public testing::Test {
 protected:
  TemporaryDirectory directory_{fs::temp_directory_path(), "dlc-tree-"};

  fs::path write(const std::string& path, const std::string& text = "x") {
    const auto full = directory_.path() / path;
    fs::create_directories(full.parent_path());
    std::ofstream(full) << text;
    return full;
  }
};

TEST(CleanRelative, stops_at_the_root) {
  EXPECT_EQ(clean_relative("/a/./b//c/.."), "a/b");
  EXPECT_EQ(clean_relative("../../x"), "x");
  EXPECT_EQ(clean_relative("/"), "");
}

TEST_F(TreeTest, resolve_follows_links_inside_the_root) {
  write("a/b/f");
  fs::create_symlink("/a", directory_.path() / "abs");
  fs::create_symlink("../../../a/b", directory_.path() / "a/up");
  fs::create_symlink("nowhere/else", directory_.path() / "dangling");
  fs::create_symlink("loop", directory_.path() / "loop");
  const RootTree tree(directory_.path());
  EXPECT_EQ(resolve(tree, "abs/b/f", Missing::fail), "a/b/f");
  EXPECT_EQ(resolve(tree, "a/up/f", Missing::fail), "a/b/f");
  EXPECT_EQ(resolve(tree, "dangling", Missing::fail), std::nullopt);
  EXPECT_EQ(resolve(tree, "dangling/x", Missing::keep), "nowhere/else/x");
  EXPECT_THROW(static_cast<void>(resolve(tree, "loop", Missing::fail)), Error);
  EXPECT_THROW(static_cast<void>(resolve(tree, "a/b/f/x", Missing::keep)), Error);
}

TEST_F(TreeTest, context_places_files_at_their_targets) {
  const auto file = write("src/app.py");
  write("src/pkg/mod.py");
  const ContextTree tree(
      {.name = "context",
       .entries = {{file.string(), "deep/app.py"}, {(directory_.path() / "src/pkg").string(), "pkg"}},
       .ignore = {}});
  EXPECT_EQ(tree.list(""), (std::vector<std::string>{"deep", "pkg"}));
  EXPECT_EQ(tree.list("deep"), std::vector<std::string>{"app.py"});
  ASSERT_TRUE(tree.lstat("pkg/mod.py"));
  EXPECT_FALSE(tree.lstat("deep/app.py/x"));
  EXPECT_FALSE(tree.lstat("app.py"));
}

TEST_F(TreeTest, later_entry_of_one_target_wins) {
  const auto first = write("1", "first");
  const auto second = write("2", "second one");
  const ContextTree tree({.name = "context", .entries = {{first.string(), "f"}, {second.string(), "f"}}, .ignore = {}});
  EXPECT_EQ(tree.lstat("f")->size, 10U);
}

TEST_F(TreeTest, missing_context_file_is_an_error) {
  EXPECT_THROW(ContextTree({.name = "context", .entries = {{"/no/such/file", "f"}}, .ignore = {}}), Error);
}

TEST_F(TreeTest, ignored_files_are_invisible_but_known) {
  write("keep/a");
  write("drop/b");
  write("drop/c");
  const ContextTree tree(
      {.name = "context", .entries = {{directory_.path().string(), ""}}, .ignore = {"drop", "!drop/c"}});
  EXPECT_FALSE(tree.lstat("drop/b"));
  EXPECT_TRUE(tree.is_ignored("drop/b"));
  EXPECT_TRUE(tree.lstat("drop/c"));
  EXPECT_EQ(tree.list("drop"), std::vector<std::string>{"c"});
}

TEST_F(TreeTest, select_expands_wildcards_in_every_component) {
  write("a1/x.py");
  write("a2/y.py");
  write("a2/z.txt");
  const RootTree tree(directory_.path());
  const auto found = select(tree, {.input = 0, .path = "a?/*.py", .unpack = false}, false);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].path, "a1/x.py");
  EXPECT_EQ(found[1].path, "a2/y.py");
}

TEST_F(TreeTest, select_says_what_is_missing) {
  const RootTree tree(directory_.path());
  for (const char* path : {"nope", "[", "a["}) {
    EXPECT_THROW(static_cast<void>(select(tree, {.input = 0, .path = path, .unpack = false}, false)), Error) << path;
  }
}

TEST_F(TreeTest, wildcard_without_a_match_selects_nothing_and_a_dangling_link_is_an_error) {
  fs::create_symlink("nowhere", directory_.path() / "dangling");
  const RootTree tree(directory_.path());
  EXPECT_TRUE(select(tree, {.input = 0, .path = "*.nope", .unpack = false}, false).empty());
  EXPECT_THROW(static_cast<void>(select(tree, {.input = 0, .path = "dang*", .unpack = false}, false)), Error);
}

TEST_F(TreeTest, any_depth_matches_none_too) {
  write("a.txt");
  write("d/e/b.txt");
  const RootTree tree(directory_.path());
  const auto found = select(tree, {.input = 0, .path = "**/*.txt", .unpack = false}, true);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[1].parent, "d/e");
}

TEST_F(TreeTest, escaped_wildcard_is_a_literal) {
  write("odd[1]*");
  write("oddA*");
  const RootTree tree(directory_.path());
  const auto found = select(tree, {.input = 0, .path = "odd\\[1]\\*", .unpack = false}, false);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].path, "odd[1]*");
}

}  // namespace
}  // namespace dlc::build
