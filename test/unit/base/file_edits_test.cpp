#include "base/file_edits.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "base/error.h"
#include "base/files.h"

namespace dlc {
namespace {

namespace fs = std::filesystem;

class FileEditsTest : public ::testing::Test {
 protected:
  FileEditsTest() : directory_(fs::temp_directory_path(), "dlc-edits-test-"), edits_(root()) {
    fs::create_directories(root() / "a/v1/sub");
    write_file_atomically(root() / "a/one", "1\n");
    write_file_atomically(root() / "a/two", "2\n", Durability::volatile_, 0755);
    write_file_atomically(root() / "a/v1/sub/tool", "t\n", Durability::volatile_, 0755);
    fs::create_symlink("sub/tool", root() / "a/v1/link");
    write_file_atomically(root() / "other", "o\n");
  }
  [[nodiscard]] const fs::path& root() const { return directory_.path(); }

  TemporaryDirectory directory_;
  FileEdits edits_;
};

TEST_F(FileEditsTest, NothingIsWrittenBeforeApply) {
  edits_.replace("a/one", "one\n");
  edits_.copy_directory("a/v1", "a/v2");
  EXPECT_EQ(edits_.text("a/one"), "one\n");
  EXPECT_EQ(read_file(root() / "a/one"), "1\n");
  EXPECT_FALSE(fs::exists(root() / "a/v2"));
  EXPECT_EQ(edits_.diff(), "copy a/v1/ -> a/v2/  (2 files)\n--- a/a/one\n+++ b/a/one\n@@ -1 +1 @@\n-1\n+one\n");
}

TEST_F(FileEditsTest, StagedTreeHasEverything) {
  edits_.replace("a/one", "one\n");
  edits_.copy_directory("a/v1", "a/v2");
  const TemporaryDirectory staged(fs::temp_directory_path(), "dlc-edits-test-");
  edits_.stage(staged.path());
  EXPECT_EQ(read_file(staged.path() / "a/one"), "one\n");
  EXPECT_EQ(read_file(staged.path() / "a/two"), "2\n");
  EXPECT_EQ(read_file(staged.path() / "a/v2/sub/tool"), "t\n");
  EXPECT_EQ(read_file(staged.path() / "other"), "o\n");
  EXPECT_EQ(read_file(root() / "a/one"), "1\n");
}

TEST_F(FileEditsTest, ApplyKeepsModesAndLinks) {
  edits_.replace("a/two", "two\n");
  edits_.copy_directory("a/v1", "a/v2");
  edits_.apply();
  struct stat status{};
  ASSERT_EQ(::stat((root() / "a/two").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0755U);
  EXPECT_EQ(read_file(root() / "a/two"), "two\n");
  EXPECT_EQ(fs::read_symlink(root() / "a/v2/link"), "sub/tool");
  ASSERT_EQ(::stat((root() / "a/v2/sub/tool").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0755U);
  for (const auto& entry : fs::recursive_directory_iterator(root())) {
    EXPECT_FALSE(entry.path().filename().string().starts_with(".dlc-copy-")) << entry.path();
  }
}

TEST_F(FileEditsTest, ALinkStaysAndItsFileChanges) {
  fs::create_symlink("one", root() / "a/alias");
  edits_.replace("a/alias", "one\n");
  edits_.apply();
  EXPECT_TRUE(fs::is_symlink(root() / "a/alias"));
  EXPECT_EQ(read_file(root() / "a/one"), "one\n");
}

TEST_F(FileEditsTest, WhatAnotherChangedIsNotOverwritten) {
  edits_.replace("a/one", "one\n");
  edits_.replace("a/two", "two\n");
  write_file_atomically(root() / "a/two", "mine\n");
  EXPECT_THROW(edits_.apply(), Error);
  EXPECT_EQ(read_file(root() / "a/one"), "1\n");
  EXPECT_EQ(read_file(root() / "a/two"), "mine\n");
}

TEST_F(FileEditsTest, AFailureInTheMiddlePutsBackWhatWasWritten) {
  edits_.copy_directory("a/v1", "a/v2");
  edits_.replace("a/one", "one\n");
  const std::string long_name = "a/" + std::string(252, 'x');  // none longer can lie beside it
  {
    std::ofstream(root() / long_name) << "l\n";
  }
  edits_.replace(long_name, "last\n");
  EXPECT_THROW(edits_.apply(), Error);
  EXPECT_EQ(read_file(root() / "a/one"), "1\n");
  EXPECT_FALSE(fs::exists(root() / "a/v2"));
  EXPECT_EQ(read_file(root() / long_name), "l\n");
}

TEST_F(FileEditsTest, ATargetThatExistsIsRefused) {
  EXPECT_THROW(edits_.copy_directory("a/v1", "a/one"), Error);
}

}  // namespace
}  // namespace dlc
