#include "base/process.h"

#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <thread>

#include "base/error.h"

namespace dlc {
namespace {

TEST(RunCommandTest, OutputAndStatus) {
  const auto result = run_command({"/bin/sh", "-c", "echo out; echo err >&2; exit 3"});
  EXPECT_EQ(result.status, 3);
  EXPECT_EQ(result.output, "out\n");
  EXPECT_EQ(result.error, "err\n");
}

TEST(RunCommandTest, StopRequestKillsIt) {
  std::stop_source stop;
  CommandOptions options;
  options.stop = stop.get_token();
  options.on_output = [&](std::string_view text) {
    if (text.find("begun") != std::string_view::npos) {
      stop.request_stop();
    }
  };
  try {
    (void)run_command({"/bin/sh", "-c", "echo begun; exec sleep 600"}, options);
    FAIL() << "it ran to its end";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::cancelled);
  }
}

TEST(RunCommandTest, StopRequestKillsWhatItStartedToo) {
  std::stop_source stop;
  CommandOptions options;
  options.stop = stop.get_token();
  options.on_output = [&](std::string_view) { stop.request_stop(); };
  const auto begun = std::chrono::steady_clock::now();
  EXPECT_THROW((void)run_command({"/bin/sh", "-c", "sleep 600 & echo begun; wait"}, options), Error);
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(3));
}

TEST(RunCommandTest, StopThatCameBeforeKillsItToo) {
  std::stop_source stop;
  stop.request_stop();
  CommandOptions options;
  options.stop = stop.get_token();
  EXPECT_THROW((void)run_command({"sleep", "600"}, options), Error);
}

TEST(RunCommandTest, TerminalsSignalsAreNotForIt) {
  std::stop_source stop;
  CommandOptions options;
  options.stop = stop.get_token();
  EXPECT_EQ(run_command({"/bin/sh", "-c", "test $(ps -o sid= -p $$) = $$"}, options).status, 0);
}

}  // namespace
}  // namespace dlc
