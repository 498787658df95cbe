#include "build/copier.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "base/files.h"
#include "build/context_tree.h"
#include "build/selection.h"
#include "dockerfile/ignore.h"

namespace dlc::build {
namespace {

namespace fs = std::filesystem;

class CopierTest : public testing::Test {
 protected:
  TemporaryDirectory directory_{fs::temp_directory_path(), "dlc-copier-"};
  fs::path context_ = directory_.path() / "context";
  fs::path root_path_ = directory_.path() / "root";

  void SetUp() override {
    fs::create_directories(context_);
    fs::create_directories(root_path_);
  }
  void write(const fs::path& path, const std::string& text) {
    fs::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }
  void copy(const std::string& source, const std::string& dest, bool directory = false, CopyStyle style = {}) {
    const ContextTree tree({.name = "context", .entries = {{context_.string(), ""}}, .ignore = ignore_});
    const RootTree root(root_path_);
    Copier copier(root, std::move(style));
    for (const auto& item : select(tree, {.input = 1, .path = source, .unpack = false}, parents_)) {
      copier.copy(tree, item, dest, directory);
    }
  }
  std::string read(const std::string& path) { return read_file(root_path_ / path); }

  std::vector<std::string> ignore_;
  bool parents_ = false;
};

TEST_F(CopierTest, file_takes_the_destination_name) {
  write(context_ / "a.txt", "a");
  copy("a.txt", "/new/place/b.txt");
  EXPECT_EQ(read("new/place/b.txt"), "a");
}

TEST_F(CopierTest, trailing_slash_keeps_the_name) {
  write(context_ / "a.txt", "a");
  copy("a.txt", "/new/", true);
  EXPECT_EQ(read("new/a.txt"), "a");
}

TEST_F(CopierTest, directory_content_is_copied_and_an_existing_destination_keeps_its_mode) {
  write(context_ / "d/x/y", "y");
  fs::create_directory(root_path_ / "dest");
  ::chmod((root_path_ / "dest").c_str(), 0700);
  copy("d", "/dest");
  EXPECT_EQ(read("dest/x/y"), "y");
  EXPECT_EQ(fs::status(root_path_ / "dest").permissions(), fs::perms(0700));
}

TEST_F(CopierTest, links_of_the_root_never_lead_out_of_it) {
  write(context_ / "a.txt", "a");
  write(directory_.path() / "outside/victim", "v");
  fs::create_symlink(directory_.path() / "outside", root_path_ / "link");
  fs::create_symlink("../../../../../../../" + (directory_.path() / "outside").string(), root_path_ / "up");
  copy("a.txt", "/link/victim");
  copy("a.txt", "/up/victim");
  EXPECT_EQ(read_file(directory_.path() / "outside/victim"), "v");
  EXPECT_EQ(read_file(root_path_ / (directory_.path() / "outside/victim").relative_path()), "a");
}

TEST_F(CopierTest, file_link_at_the_destination_is_followed_inside_the_root_for_its_directory_only) {
  write(context_ / "d/l", "new");
  write(root_path_ / "f", "old");
  fs::create_directory(root_path_ / "dest");
  fs::create_symlink("/f", root_path_ / "dest/l");
  copy("d", "/dest");
  EXPECT_EQ(read("dest/l"), "new");
  EXPECT_EQ(read("f"), "old") << "a link in the way is replaced, its target is not written";
}

TEST_F(CopierTest, file_never_replaces_a_directory) {
  write(context_ / "a.txt", "a");
  fs::create_directories(root_path_ / "d/a.txt");
  EXPECT_THROW(copy("a.txt", "/d/", true), Error);
  EXPECT_THROW(copy("a.txt", "/d/a.txt/../a.txt/x/../../", true), Error);
}

TEST_F(CopierTest, two_sources_onto_one_file_are_refused) {
  write(context_ / "a", "1");
  write(context_ / "d/a", "2");
  const ContextTree tree({.name = "context", .entries = {{context_.string(), ""}}, .ignore = {}});
  const RootTree root(root_path_);
  Copier copier(root, {});
  copier.copy(tree, select(tree, {.input = 1, .path = "a", .unpack = false}, false).at(0), "/many", false);
  EXPECT_THROW(
      copier.copy(tree, select(tree, {.input = 1, .path = "d/a", .unpack = false}, false).at(0), "/many", false),
      Error);
}

TEST_F(CopierTest, hard_links_inside_a_source_stay_links) {
  write(context_ / "d/one", "1");
  fs::create_hard_link(context_ / "d/one", context_ / "d/two");
  copy("d", "/dest");
  EXPECT_EQ(fs::hard_link_count(root_path_ / "dest/one"), 2U);
}

TEST_F(CopierTest, excluded_directory_appears_only_for_what_comes_back) {
  write(context_ / "t/dir/keep.txt", "k");
  write(context_ / "t/dir/drop.txt", "d");
  write(context_ / "t/gone/x", "x");
  const dockerfile::IgnoreMatcher excludes({"dir", "gone", "!dir/keep.txt"});
  CopyStyle style;
  style.excludes = &excludes;
  copy("t", "/out", false, style);
  EXPECT_TRUE(fs::exists(root_path_ / "out/dir/keep.txt"));
  EXPECT_FALSE(fs::exists(root_path_ / "out/dir/drop.txt"));
  EXPECT_FALSE(fs::exists(root_path_ / "out/gone"));
}

TEST_F(CopierTest, parents_keep_the_path_behind_the_pivot) {
  write(context_ / "a/b/c/f", "f");
  parents_ = true;
  copy("a/b/c/f", "/all/", true);
  copy("a/./b/c/f", "/some/", true);
  EXPECT_EQ(read("all/a/b/c/f"), "f");
  EXPECT_EQ(read("some/b/c/f"), "f");
}

TEST_F(CopierTest, parents_are_not_found_through_links) {
  write(context_ / "p/x/f", "f");
  fs::create_symlink("x", context_ / "p/link");
  parents_ = true;
  copy("p/*/f*", "/all/", true);
  EXPECT_EQ(read("all/p/x/f"), "f");
  EXPECT_FALSE(fs::exists(root_path_ / "all/p/link"));
}

TEST_F(CopierTest, owner_and_mode_of_the_style_win) {
  write(context_ / "d/f", "f");
  CopyStyle style;
  style.owner = {12, 34};
  style.mode.emplace("u=rwX,go=");
  copy("d", "/new/dest", false, style);
  struct stat status{};
  ASSERT_EQ(::stat((root_path_ / "new/dest/f").c_str(), &status), 0);
  EXPECT_EQ(status.st_uid, 12U);
  EXPECT_EQ(status.st_gid, 34U);
  EXPECT_EQ(status.st_mode & 07777, 0600U);
  ASSERT_EQ(::stat((root_path_ / "new/dest").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0700U);
}

TEST(ChangeMode, octal_and_symbolic) {
  EXPECT_EQ(ChangeMode("0755").apply(0600, false), 0755U);
  EXPECT_EQ(ChangeMode("4711").apply(0600, false), 04711U);
  EXPECT_EQ(ChangeMode("u+x").apply(0644, false), 0744U);
  EXPECT_EQ(ChangeMode("go-w,a+X").apply(0666, false), 0644U);
  EXPECT_EQ(ChangeMode("a+X").apply(0644, true), 0755U);
  EXPECT_EQ(ChangeMode("g=u").apply(0640, false), 0660U);
  EXPECT_EQ(ChangeMode("u+s,+t").apply(0755, false), 05755U);
}

TEST(ChangeMode, bad_text_is_refused) {
  for (const char* text : {"", "999", "10755", "rwx", "u?x", "u", "0x7", "u+x,"}) {
    EXPECT_THROW(ChangeMode{text}, Error) << text;
  }
}

}  // namespace
}  // namespace dlc::build
