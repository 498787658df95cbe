#include "base/file_edits.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <optional>
#include <thread>

#include "base/directory_lock.h"
#include "base/error.h"
#include "base/files.h"
#include "base/tree_copy.h"

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
  /// Entries beside the files whose names begin with a dot.
  [[nodiscard]] long leftovers() const {
    const auto entries = fs::directory_iterator(root() / "a");
    return std::count_if(begin(entries), end(entries),
                         [](const auto& entry) { return entry.path().filename().string().starts_with("."); });
  }

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

TEST_F(FileEditsTest, TheFirstPlaceIsALineThatIsThere) {
  write_file_atomically(root() / "a/one", "1\n2\n3\n");
  FileEdits more(root());
  more.replace("a/one", "1\n2\nx\ny\n3\n");
  EXPECT_EQ(more.first_place().file, "a/one");
  EXPECT_EQ(more.first_place().line, 2);
  more.replace("a/one", "1\nx\n3\n");
  EXPECT_EQ(more.first_place().line, 2);
  EXPECT_EQ(FileEdits(root()).first_place().line, 0);
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
    EXPECT_FALSE(entry.path().filename().string().starts_with(".")) << entry.path();
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
  edits_.copy_directory("a/v1", "a/v2");  // is there by then
  edits_.replace("a/one", "one\n");
  EXPECT_THROW(edits_.apply(), Error);
  EXPECT_EQ(read_file(root() / "a/one"), "1\n");
  EXPECT_FALSE(fs::exists(root() / "a/v2"));
  EXPECT_EQ(leftovers(), 0);
}

TEST_F(FileEditsTest, NothingIsWrittenWithoutRoomForAllOfIt) {
  edits_.copy_directory("a/v1", "a/v2");
  edits_.replace("a/one", "one\n");
  edits_.replace("a/two", std::string(1 << 20, 'x'));
  struct rlimit former{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &former), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const struct rlimit small{.rlim_cur = 1 << 16, .rlim_max = former.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  EXPECT_THROW(edits_.apply(), Error);
  ::setrlimit(RLIMIT_FSIZE, &former);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(read_file(root() / "a/one"), "1\n");
  EXPECT_EQ(read_file(root() / "a/two"), "2\n");
  EXPECT_FALSE(fs::exists(root() / "a/v2"));
  EXPECT_EQ(leftovers(), 0);
}

TEST_F(FileEditsTest, OneWriterAtATime) {
  edits_.replace("a/one", "one\n");
  std::optional<DirectoryLock> lock(root());
  EXPECT_TRUE(lock->held());
  EXPECT_THROW(DirectoryLock(root(), std::chrono::milliseconds(1)), Error);
  std::thread other([&] { edits_.apply(); });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(read_file(root() / "a/one"), "1\n");
  lock.reset();
  other.join();
  EXPECT_EQ(read_file(root() / "a/one"), "one\n");
}

TEST_F(FileEditsTest, WhatIsACopyAlreadyStays) {
  EXPECT_TRUE(edits_.copy_directory("a/v1", "a/v2"));
  edits_.apply();
  FileEdits again(root());
  EXPECT_FALSE(again.copy_directory("a/v1", "a/v2"));
  EXPECT_TRUE(again.empty());
  write_file_atomically(root() / "a/v2/sub/tool", "u\n", Durability::volatile_, 0755);
  EXPECT_THROW(again.copy_directory("a/v1", "a/v2"), Error);
}

TEST_F(FileEditsTest, WhatAKilledRunLeftIsRemoved) {
  fs::create_directories(root() / "a/.dlc-copy-abcdef/tree");
  fs::create_directories(root() / "a/.dlc-edit-abcdef");
  fs::create_directories(root() / "a/.dlc-edit-mine-is-longer");
  edits_.copy_directory("a/v1", "a/v2");
  edits_.apply();
  EXPECT_EQ(leftovers(), 1);
  EXPECT_TRUE(fs::exists(root() / "a/.dlc-edit-mine-is-longer"));
}

TEST_F(FileEditsTest, TwoNamesOfAFileAreOneChange) {
  fs::create_symlink("one", root() / "a/alias");
  edits_.replace("a/one", "one\n");
  EXPECT_EQ(edits_.text("a/alias"), "one\n");
  edits_.replace("a/alias", "two\n");
  const TemporaryDirectory staged(fs::temp_directory_path(), "dlc-edits-test-");
  edits_.stage(staged.path());
  EXPECT_EQ(read_file(staged.path() / "a/alias"), "two\n");
  edits_.apply();
  EXPECT_EQ(read_file(root() / "a/one"), "two\n");
}

TEST_F(FileEditsTest, WhatCannotBeCopiedIsNamed) {
  ASSERT_EQ(::mkfifo((root() / "a/v1/sub/pipe").c_str(), 0600), 0);
  try {
    edits_.copy_directory("a/v1", "a/v2");
    ADD_FAILURE() << "copied";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("a/v1/sub/pipe"), std::string::npos) << error.what();
  }
}

TEST_F(FileEditsTest, TheContentOfALinkedDirectoryIsCopied) {
  fs::create_directory_symlink("v1", root() / "a/v0");
  edits_.copy_directory("a/v0", "a/v2");
  edits_.apply();
  EXPECT_FALSE(fs::is_symlink(root() / "a/v2"));
  EXPECT_TRUE(equal_trees(root() / "a/v1", root() / "a/v2"));
  write_file_atomically(root() / "a/v2/sub/tool", "u\n", Durability::volatile_, 0755);
  EXPECT_FALSE(equal_trees(root() / "a/v1", root() / "a/v2"));
}

TEST_F(FileEditsTest, RootKeepsTheOwners) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "needs root";
  }
  ASSERT_EQ(::chown((root() / "a/one").c_str(), 1234, 2345), 0);
  ASSERT_EQ(::chown((root() / "a").c_str(), 3456, 4567), 0);
  edits_.replace("a/one", "one\n");
  edits_.copy_directory("a/v1", "a/v2");
  edits_.apply();
  struct stat status{};
  ASSERT_EQ(::stat((root() / "a/one").c_str(), &status), 0);
  EXPECT_EQ(status.st_uid, 1234U);
  EXPECT_EQ(status.st_gid, 2345U);
  for (const char* path : {"a/v2", "a/v2/sub", "a/v2/sub/tool", "a/v2/link"}) {
    ASSERT_EQ(::lstat((root() / path).c_str(), &status), 0);
    EXPECT_EQ(status.st_uid, 3456U) << path;
    EXPECT_EQ(status.st_gid, 4567U) << path;
  }
}

TEST_F(FileEditsTest, ATargetThatExistsIsRefused) {
  EXPECT_THROW(edits_.copy_directory("a/v1", "a/one"), Error);
}

}  // namespace
}  // namespace dlc
