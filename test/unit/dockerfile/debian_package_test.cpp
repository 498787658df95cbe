#include "dockerfile/debian_package.h"

#include <gtest/gtest.h>

namespace dlc::dockerfile {
namespace {

TEST(DebianPackage, PartsOfAName) {
  const auto package = split_package("'zlib1g:i386=1:1.2.13.dfsg-1'");
  EXPECT_EQ(package.name, "zlib1g");
  EXPECT_EQ(package.architecture, "i386");
  EXPECT_EQ(package.version, "1:1.2.13.dfsg-1");
  EXPECT_EQ(split_package("less/bookworm-backports").release, "bookworm-backports");
  EXPECT_FALSE(split_package("less").version);
}

TEST(DebianPackage, PolicysNamesAndVersions) {
  for (const char* good : {"less", "g++", "libstdc++6", "0ad", "mc=3:4.8.29-2", "libgomp1=12.2.0-14+deb12u1",
                           "zlib1g:i386", "x264=2:0.164.3095+gitbaee400-3", "less/stable", "a.b-c=1~rc1"}) {
    EXPECT_EQ(package_problem(split_package(good)), "") << good;
  }
  for (const char* bad : {"",         "x",      "Less",        "less-", "-less",  "less=", "less=x1",
                          "mc=1`id`", "mc=1#x", "mc=\x1b[31m", "mc=1:", "mc=a:1", "less:", "less:I386",
                          "less/",    "a b",    "a;b",         "a$b",   "mc=1 2", "mc==1", "_x"}) {
    EXPECT_NE(package_problem(split_package(bad)), "") << bad;
  }
}

TEST(DebianPackage, WhatIsAskedForMustBeThere) {
  const auto listed = [](const char* word, const char* wanted) {
    return satisfies(split_package(word), split_package(wanted));
  };
  EXPECT_TRUE(listed("zlib1g=1", "zlib1g"));
  EXPECT_TRUE(listed("zlib1g:i386=1", "zlib1g:i386"));
  EXPECT_FALSE(listed("zlib1g", "zlib1g=1"));
  EXPECT_FALSE(listed("zlib1g=2", "zlib1g=1"));
  EXPECT_FALSE(listed("zlib1g", "zlib1g:i386"));
  EXPECT_FALSE(listed("zlib1g", "zlib"));
}

}  // namespace
}  // namespace dlc::dockerfile
