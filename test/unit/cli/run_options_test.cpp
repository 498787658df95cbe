#include "cli/run_options.h"

#include <gmock/gmock.h>

#include <cstdlib>

#include "base/error.h"

namespace dlc::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

RunOptions parsed(const std::vector<std::string>& arguments) {
  return parse_run_options(arguments).value();
}

ErrorKind failure(const std::vector<std::string>& arguments) {
  try {
    (void)parse_run_options(arguments);
  } catch (const Error& error) {
    return error.kind();
  }
  return ErrorKind::internal;
}

TEST(RunOptionsTest, OptionsEndAtTheImage) {
  const auto options = parsed({"-it", "--rm", "-e", "A=1", "image", "python3", "-e", "B=2", "--rm"});
  EXPECT_EQ(options.image, "image");
  EXPECT_THAT(options.command, ElementsAre("python3", "-e", "B=2", "--rm"));
  EXPECT_THAT(options.env, ElementsAre("A=1"));
  EXPECT_TRUE(options.interactive);
  EXPECT_TRUE(options.terminal);
}

TEST(RunOptionsTest, VariablesFromHere) {
  ::setenv("DLC_TEST_HERE", "x", 1);
  EXPECT_THAT(parsed({"-e", "DLC_TEST_HERE", "-e", "DLC_TEST_NOT_HERE", "-e", "E=", "i"}).env,
              ElementsAre("DLC_TEST_HERE=x", "E="));
  EXPECT_EQ(failure({"-e", "=x", "i"}), ErrorKind::usage);
}

TEST(RunOptionsTest, MountsOfEachKind) {
  const auto options =
      parsed({"-v", "/etc:/a:ro", "-v", "/etc:/b/../c/", "--tmpfs", "/t:size=1m,mode=700,exec,uid=5,gid=6", "--mount",
              "type=bind,src=/etc,dst=/d,readonly", "-v", "/own", "i"});
  ASSERT_THAT(options.mounts, SizeIs(4));
  EXPECT_TRUE(options.mounts[0].read_only);
  EXPECT_EQ(options.mounts[1].target, "/c");
  EXPECT_FALSE(options.mounts[1].read_only);
  EXPECT_TRUE(options.mounts[2].read_only);
  EXPECT_EQ(options.mounts[3].size, 1U << 20);
  EXPECT_EQ(options.mounts[3].mode, 0700U);
  EXPECT_FALSE(options.mounts[3].no_exec);
  EXPECT_EQ(options.mounts[3].uid, 5U);
  EXPECT_EQ(options.mounts[3].gid, 6U);
  EXPECT_THAT(options.directories, ElementsAre("/own"));
}

TEST(RunOptionsTest, WrongMounts) {
  EXPECT_EQ(failure({"-v", "volume:/x", "i"}), ErrorKind::unsupported);
  EXPECT_EQ(failure({"-v", "/etc:x", "i"}), ErrorKind::usage);
  EXPECT_EQ(failure({"-v", "/etc:/", "i"}), ErrorKind::usage);
  EXPECT_EQ(failure({"-v", "/etc:/x:bad", "i"}), ErrorKind::usage);
  EXPECT_EQ(failure({"-v", "/no/such/place:/x", "i"}), ErrorKind::not_found);
  EXPECT_EQ(failure({"--tmpfs", "/t:uid=root", "i"}), ErrorKind::usage);
  EXPECT_EQ(failure({"--mount", "type=volume,dst=/x", "i"}), ErrorKind::unsupported);
}

TEST(RunOptionsTest, Sizes) {
  EXPECT_EQ(parse_bytes("64m", "x"), 64U << 20);
  EXPECT_EQ(parse_bytes("1.5g", "x"), 3U << 29);
  EXPECT_EQ(parse_bytes("10", "x"), 10U);
  EXPECT_EQ(parse_bytes("2KiB", "x"), 2048U);
  EXPECT_EQ(parse_bytes("2kb", "x"), 2048U);
  for (const char* text : {"", "m", "-1", "5q", "1mm", "1e30", "nan"}) {
    EXPECT_THROW((void)parse_bytes(text, "x"), Error) << text;
  }
}

TEST(RunOptionsTest, PortsAreTheHosts) {
  EXPECT_THAT(parsed({"-p", "80:80", "i"}).notes, SizeIs(1));
  EXPECT_THAT(parsed({"i"}).notes, IsEmpty());
  EXPECT_EQ(failure({"-p", "80:81", "i"}), ErrorKind::unsupported);
  EXPECT_EQ(failure({"-p", "80:80", "--network", "none", "i"}), ErrorKind::usage);
  EXPECT_EQ(failure({"--network", "bridge", "i"}), ErrorKind::unsupported);
}

TEST(RunOptionsTest, NumbersOfCpusAndSeconds) {
  EXPECT_EQ(parsed({"-m", "6m", "i"}).memory, 6U << 20);
  EXPECT_EQ(parsed({"-m", "0", "i"}).memory, 0U);
  EXPECT_EQ(failure({"-m", "1k", "i"}), ErrorKind::usage);
  EXPECT_EQ(parsed({"--cpus", "1.5", "i"}).cpus, 1.5);
  EXPECT_EQ(parsed({"--stop-timeout", "10", "i"}).stop_timeout, 10);
  for (const char* text : {"abc", "-1", "nan", "inf", "1e9", "2x", ""}) {
    EXPECT_EQ(failure({"--cpus", text, "i"}), text[0] == 0 ? ErrorKind::internal : ErrorKind::usage) << text;
  }
  for (const char* arguments : {"--cpus", "--stop-timeout"}) {
    try {
      (void)parse_run_options(std::vector<std::string>{arguments, "abc", "i"});
      FAIL() << arguments;
    } catch (const Error& error) {
      EXPECT_LT(std::string(error.what()).size(), 80U) << error.what();
    }
  }
}

TEST(RunOptionsTest, WrongCommandLines) {
  EXPECT_EQ(failure({}), ErrorKind::usage);
  EXPECT_EQ(failure({"--memry", "5", "i"}), ErrorKind::usage);
  EXPECT_EQ(failure({"-d", "i"}), ErrorKind::unsupported);
  EXPECT_EQ(failure({"-w", "relative", "i"}), ErrorKind::usage);
  EXPECT_EQ(failure({"--ulimit", "nofile=5:4", "i"}), ErrorKind::usage);
}

}  // namespace
}  // namespace dlc::cli
