#include "base/output_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <thread>

#include "base/error.h"
#include "base/files.h"

namespace dlc {
namespace {

namespace fs = std::filesystem;

class OutputFileTest : public ::testing::Test {
 protected:
  [[nodiscard]] fs::path at(const char* name) const { return directory_.path() / name; }
  [[nodiscard]] std::ptrdiff_t entries() const {
    return std::distance(fs::directory_iterator(directory_.path()), fs::directory_iterator());
  }
  static std::string refusal(const fs::path& path) {
    try {
      write_output_file(path, "new");
    } catch (const Error& error) {
      return error.message();
    }
    return "written";
  }
  static unsigned mode_of(const fs::path& path) {
    struct stat status{};
    return ::stat(path.c_str(), &status) == 0 ? status.st_mode & 07777U : 0;
  }

  TemporaryDirectory directory_{fs::temp_directory_path(), "dlc-output-test-"};
};

TEST_F(OutputFileTest, ANewFileGetsItsModeAndAnOldOneKeepsIts) {
  write_output_file(at("new"), "text");
  EXPECT_EQ(read_file(at("new")), "text");
  EXPECT_EQ(mode_of(at("new")), 0644U);
  write_file_atomically(at("private"), "old", Durability::volatile_, 0600);
  write_output_file(at("private"), "new");
  EXPECT_EQ(read_file(at("private")), "new");
  EXPECT_EQ(mode_of(at("private")), 0600U);
  EXPECT_EQ(entries(), 2);
}

TEST_F(OutputFileTest, ACheckThrowsWhereWritingWouldAndLeavesNothing) {
  write_output_file(at("old"), "text");
  check_output_file(at("old"));
  check_output_file(at("new"));
  check_output_file("/dev/null");
  ASSERT_EQ(::mkfifo(at("fifo").c_str(), 0600), 0);
  check_output_file(at("fifo"));  // waits for no reader
  const UniqueFd open = open_file(at("old"), O_WRONLY);
  check_output_file("/proc/self/fd/" + std::to_string(open.get()));
  EXPECT_THROW(check_output_file(directory_.path()), Error);
  EXPECT_THROW(check_output_file(at("missing/file")), Error);
  EXPECT_EQ(read_file(at("old")), "text");
  EXPECT_EQ(entries(), 2);
}

TEST_F(OutputFileTest, LinksStayAndTheFileBehindThemIsReplaced) {
  fs::create_directory(at("sub"));
  write_file_atomically(at("sub/real"), "old");
  const UniqueFd reader = open_file(at("sub/real"), O_RDONLY);
  fs::create_symlink("sub/relative", at("link"));
  fs::create_symlink(at("sub/real"), at("sub/relative"));
  write_output_file(at("link"), "new");
  EXPECT_TRUE(fs::is_symlink(at("link")) && fs::is_symlink(at("sub/relative")));
  EXPECT_EQ(read_file(at("sub/real")), "new");
  std::string before(3, '\0');
  EXPECT_EQ(read_full(reader.get(), std::as_writable_bytes(std::span(before)), "real"), 3U);
  EXPECT_EQ(before, "old");  // in one step: who had it open has the old one whole
}

TEST_F(OutputFileTest, ALinkToNothingMakesTheFileThatItNames) {
  fs::create_symlink("later", at("link"));
  write_output_file(at("link"), "new");
  EXPECT_TRUE(fs::is_symlink(at("link")));
  EXPECT_EQ(read_file(at("later")), "new");
}

TEST_F(OutputFileTest, WhatIsNotCommittedLeavesNothing) {
  write_file_atomically(at("file"), "old");
  {
    const OutputFile file(at("file"));
    write_full(file.fd(), "half", file.name());
  }
  EXPECT_EQ(read_file(at("file")), "old");
  EXPECT_EQ(entries(), 1);
}

TEST_F(OutputFileTest, AFifoGetsTheBytesAndStays) {
  ASSERT_EQ(::mkfifo(at("fifo").c_str(), 0600), 0);
  std::string got;
  std::thread reader([&] { got = read_file(at("fifo")); });
  write_output_file(at("fifo"), "text");
  reader.join();
  EXPECT_EQ(got, "text");
  EXPECT_TRUE(fs::is_fifo(at("fifo")));
}

TEST_F(OutputFileTest, ADeviceGetsTheBytesAndStays) {
  // Nodes of our own, the kernel's null and full: those of the machine are not for tests.
  if (::mknod(at("null").c_str(), S_IFCHR | 0666, makedev(1, 3)) != 0 ||
      ::mknod(at("full").c_str(), S_IFCHR | 0666, makedev(1, 7)) != 0 ||
      !UniqueFd(::open(at("null").c_str(), O_WRONLY | O_CLOEXEC))) {
    GTEST_SKIP() << "no device nodes here: " << std::strerror(errno);
  }
  fs::create_symlink("null", at("link"));
  write_output_file(at("null"), "text");
  write_output_file(at("link"), "text");
  EXPECT_TRUE(fs::is_character_file(fs::symlink_status(at("null"))));
  EXPECT_TRUE(fs::is_symlink(at("link")));
  EXPECT_NE(refusal(at("full")).find("No space left"), std::string::npos) << refusal(at("full"));
  EXPECT_TRUE(fs::is_character_file(fs::symlink_status(at("full"))));
  EXPECT_EQ(entries(), 3);
}

TEST_F(OutputFileTest, AnOpenFilesOwnLinkIsWrittenThrough) {
  const UniqueFd open = open_file(at("file"), O_RDWR | O_CREAT);
  write_full(open.get(), "longer than the new text", "file");
  fs::create_symlink("/proc/self/fd/" + std::to_string(open.get()), at("link"));  // as /dev/stdout
  write_output_file(at("link"), "new");
  EXPECT_EQ(read_file(at("file")), "new");
  struct stat opened{};
  struct stat named{};
  ASSERT_TRUE(::fstat(open.get(), &opened) == 0 && ::stat(at("file").c_str(), &named) == 0);
  EXPECT_EQ(opened.st_ino, named.st_ino);
}

TEST_F(OutputFileTest, WhatTakesNoFileIsRefused) {
  fs::create_directory(at("directory"));
  EXPECT_EQ(refusal(at("directory")), at("directory").string() + " is a directory, expected a file");
  fs::create_symlink("a", at("b"));
  fs::create_symlink("b", at("a"));
  EXPECT_NE(refusal(at("a")).find("symbolic links"), std::string::npos) << refusal(at("a"));
  EXPECT_NE(refusal(at("gone/file")).find("create a temporary file in"), std::string::npos);
  const UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const auto name = at("socket").string();
  ASSERT_LT(name.size(), sizeof(address.sun_path));
  std::ranges::copy(name, address.sun_path);
  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  EXPECT_EQ(refusal(at("socket")), name + " is a socket, expected a file");
  EXPECT_TRUE(fs::is_socket(at("socket")));
}

}  // namespace
}  // namespace dlc
