#include "cli/lock_file.h"

#include <gtest/gtest.h>

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
  EXPECT_FALSE(is_lock_file(kLock + "x==1\n"));
  EXPECT_FALSE(is_lock_file(""));
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
