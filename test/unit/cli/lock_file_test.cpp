#include "cli/lock_file.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace dlc::cli {
namespace {

const std::string kLock =
    "# what it is\nabc==1.0 \\\n    --hash=sha256:aa \\\n    --hash=sha256:ab\n# kept below 2\n"
    "Zope.Interface[test]==5.4 ; python_version < \"4\" \\\n    --hash=sha256:bb\n";

TEST(LockFile, PackagesWithTheirLines) {
  const auto packages = locked_packages(kLock);
  ASSERT_EQ(packages.size(), 2U);
  EXPECT_EQ(packages[0].name, "abc");
  EXPECT_EQ(packages[0].first_line, 2);
  EXPECT_EQ(packages[0].last_line, 4);
  EXPECT_EQ(packages[1].name, "zope-interface");
  EXPECT_EQ(packages[1].version, "5.4");
  EXPECT_EQ(packages[1].last_line, 7);
  EXPECT_TRUE(is_lock_file(kLock));
  EXPECT_FALSE(is_lock_file("abc==1.0\n"));
  EXPECT_TRUE(is_lock_file(kLock + "x==1\n"));
  EXPECT_FALSE(is_lock_file("abc==1.0 # --hash=x\n"));
  EXPECT_FALSE(is_lock_file(""));
}

TEST(LockFile, ALineThatPipWouldRefuseHasItsPlace) {
  const auto line_of = [](const std::string& text) {
    try {
      check_lock_file(text, "lock.txt");
    } catch (const Error& error) {
      return error.where().line;
    }
    return 0;
  };
  EXPECT_EQ(line_of(kLock), 0);
  EXPECT_EQ(line_of(kLock + "# x==1\n\n--extra-index-url https://x/\n"), 0);
  EXPECT_EQ(line_of(kLock + "https://x/y-1-py3-none-any.whl --hash=sha256:aa\n"), 0);
  EXPECT_EQ(line_of(kLock + "x==1\n"), 8);
  EXPECT_EQ(line_of("x==1\n" + kLock), 1);
  EXPECT_EQ(line_of(kLock + "x>=1 \\\n  --hash=sha256:aa\n"), 8);
  EXPECT_EQ(line_of("# a\\\nx==1\n  --hash=sha256:aa\n"), 2);
  EXPECT_EQ(line_of("a==1 --hash=sha256:aa\n  --hash=sha256:ab\n"), 2);
}

TEST(LockFile, ExtrasAndMarkerStay) {
  EXPECT_EQ(lock_package("joblib[foo]==1.6.0 ; python_version >= \"3.8\" \\\n    --hash=sha256:aa\n", "joblib", "1.5.1",
                         {"sha256:cc"}),
            "joblib[foo]==1.5.1 ; python_version >= \"3.8\" \\\n    --hash=sha256:cc\n");
  EXPECT_EQ(lock_package("A == 1;x<2 --hash=sha256:aa", "a", "2", {"sha256:cc"}),
            "A == 2;x<2 \\\n    --hash=sha256:cc\n");
}

TEST(LockFile, ANewPackageGoesToItsPlace) {
  EXPECT_EQ(
      lock_package(kLock, "numpy", "1.2", {"sha256:cc"}),
      "# what it is\nabc==1.0 \\\n    --hash=sha256:aa \\\n    --hash=sha256:ab\nnumpy==1.2 \\\n    --hash=sha256:cc\n"
      "# kept below 2\nZope.Interface[test]==5.4 ; python_version < \"4\" \\\n    --hash=sha256:bb\n");
  EXPECT_EQ(lock_package(kLock, "aaa", "1", {"sha256:cc"}),
            "# what it is\naaa==1 \\\n    --hash=sha256:cc\n" + kLock.substr(13));
  EXPECT_EQ(lock_package(kLock, "zzz", "1", {"sha256:cc"}), kLock + "zzz==1 \\\n    --hash=sha256:cc\n");
}

TEST(LockFile, AKnownPackageIsReplacedWhereItStands) {
  EXPECT_EQ(lock_package(kLock, "abc", "2", {"sha256:cc"}),
            "# what it is\nabc==2 \\\n    --hash=sha256:cc\n" + kLock.substr(kLock.find("# kept")));
  EXPECT_EQ(lock_package("b==1 \\\n --hash=sha256:x\na==1 \\\n --hash=sha256:y", "c", "1", {"sha256:z"}),
            "b==1 \\\n --hash=sha256:x\na==1 \\\n --hash=sha256:y\nc==1 \\\n    --hash=sha256:z\n");
}

TEST(LockFile, Names) {
  EXPECT_EQ(normalized_name("Foo__Bar.-baz"), "foo-bar-baz");
}

}  // namespace
}  // namespace dlc::cli
