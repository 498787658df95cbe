// Paths and users of hostile roots.
#include "sandbox/rooted.h"

#include <fcntl.h>
#include <gmock/gmock.h>

#include "base/error.h"
#include "unit/sandbox/fixture.h"

namespace dlc::sandbox {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class RootedTest : public SandboxTest {
 protected:
  [[nodiscard]] UserIds user(std::string_view text) const {
    const UniqueFd root = open_file(lower().string(), O_PATH | O_DIRECTORY);
    return resolve_user(root.get(), text);
  }
  [[nodiscard]] UserIds owner(std::string_view text) const {
    const UniqueFd root = open_file(lower().string(), O_PATH | O_DIRECTORY);
    return resolve_owner(root.get(), text);
  }
};

TEST_F(RootedTest, UsersByNameAndNumber) {
  EXPECT_EQ(user("").uid, 0U);
  EXPECT_EQ(user("").home, "/root");
  const auto app = user("app");
  EXPECT_EQ(app.uid, 1000U);
  EXPECT_EQ(app.gid, 1234U);
  EXPECT_EQ(app.home, "/home/app");
  EXPECT_THAT(app.groups, ElementsAre(50U));
  EXPECT_EQ(user("1000").gid, 1234U);
  EXPECT_EQ(user("1000").name, "app");
  const auto unknown = user("4242");
  EXPECT_EQ(unknown.uid, 4242U);
  EXPECT_EQ(unknown.gid, 0U);
  EXPECT_EQ(unknown.home, "/");
  const auto both = user("app:extra");
  EXPECT_EQ(both.gid, 50U);
  EXPECT_THAT(both.groups, IsEmpty());
  EXPECT_EQ(user("7:8").gid, 8U);
}

TEST_F(RootedTest, OwnersWithoutAGroup) {
  EXPECT_EQ(owner("7").gid, 7U);
  EXPECT_EQ(owner("app").gid, 1234U);
  EXPECT_EQ(owner("7:9").gid, 9U);
}

// CVE-2024-40635, CVE-2026-30892: a number that does not fit, or is none, is never root.
TEST_F(RootedTest, NumbersOutOfRange) {
  write("etc/passwd", "root:x:0:0::/root:/bin/sh\n1:x:0:0::/:/bin/sh\n1e3:x:5000000000:0::/:/bin/sh\n");
  for (const char* text : {"4294967296", "2147483648", "-1", "1e3", "+1", "99999999999999999999", "1:4294967296",
                           "1:-1", "nosuch", "1:nosuch", " 1", "0x0"}) {
    EXPECT_THROW((void)user(text), Error) << text;
  }
  EXPECT_EQ(user("1").uid, 1U);
  EXPECT_EQ(user("2147483647").uid, 2147483647U);
  try {
    (void)user("nosuch");
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("unable to find user nosuch"));
    EXPECT_EQ(error.kind(), ErrorKind::invalid);
  }
}

// CVE-2024-9676, CVE-2026-47262: hostile databases cost nothing and are not read outside the root.
TEST_F(RootedTest, HostilePasswd) {
  const fs::path passwd = lower() / "etc/passwd";
  fs::remove(passwd);
  EXPECT_EQ(user("5").uid, 5U);
  EXPECT_THROW((void)user("root"), Error);
  fs::create_directories(passwd);
  EXPECT_EQ(user("5").uid, 5U);
  fs::remove(passwd);
  ASSERT_EQ(::mkfifo(passwd.c_str(), 0644), 0);
  EXPECT_EQ(user("5").uid, 5U);
  fs::remove(passwd);
  fs::create_symlink("/dev/zero", passwd);
  EXPECT_EQ(user("5").uid, 5U);
  fs::remove(passwd);
  const fs::path outside = directory_.path() / "outside";
  std::ofstream(outside) << "evil:x:0:0::/:/bin/sh\n";
  fs::create_symlink(outside, passwd);
  EXPECT_THROW((void)user("evil"), Error);
  fs::remove(passwd);
  fs::create_symlink("../../../../../../.." + outside.string(), passwd);
  EXPECT_THROW((void)user("evil"), Error);
  fs::remove(passwd);
  std::ofstream(passwd).close();
  fs::resize_file(passwd, 2ULL << 30);
  EXPECT_THROW((void)user("root"), Error);
}

TEST_F(RootedTest, OddLinesAreSkipped) {
  write("etc/passwd", "::::::\nshort\nbad:x:abc:0::/:\n\nlate:x:3:4:::\n");
  EXPECT_EQ(user("late").uid, 3U);
  EXPECT_EQ(user("late").home, "/");
  EXPECT_THROW((void)user("bad"), Error);
}

TEST_F(RootedTest, LinksDoNotLeadOutside) {
  const UniqueFd root = open_file(lower().string(), O_PATH | O_DIRECTORY);
  const fs::path outside = directory_.path() / "outside";
  std::ofstream(outside) << "x";
  fs::create_symlink(outside, lower() / "absolute");
  fs::create_symlink("../outside", lower() / "relative");
  fs::create_symlink("/etc/passwd", lower() / "inside");
  EXPECT_FALSE(try_open_in_root(root.get(), "/absolute", O_RDONLY));
  EXPECT_FALSE(try_open_in_root(root.get(), "relative", O_RDONLY));
  EXPECT_FALSE(try_open_in_root(root.get(), "../outside", O_RDONLY));
  EXPECT_TRUE(try_open_in_root(root.get(), "inside", O_RDONLY));
  EXPECT_FALSE(try_open_in_root(root.get(), "etc/passwd/x", O_RDONLY));
  try {
    (void)open_in_root(root.get(), "absolute", O_RDONLY);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::not_found);
  }
}

}  // namespace
}  // namespace dlc::sandbox
