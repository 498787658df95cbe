#include "cli/progress.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>

#include "base/fd.h"
#include "cli/failure_cause.h"
#include "cli/progress_view.h"

namespace dlc::cli {
namespace {

using testing::HasSubstr;

struct Pipe {
  Pipe() {
    std::array<int, 2> fds{};
    EXPECT_EQ(::pipe2(fds.data(), O_CLOEXEC), 0);
    read = UniqueFd(fds[0]);
    write = UniqueFd(fds[1]);
  }
  std::string text() {
    write.reset();
    std::string all(1 << 20, '\0');
    all.resize(read_full(read.get(), std::as_writable_bytes(std::span(all)), "pipe"));
    return all;
  }
  UniqueFd read, write;
};

void play(EventBus& bus) {
  Activity image(bus, ActivityKind::image, "app:1");
  Activity step(bus, ActivityKind::step, "[2/3] RUN make", image.id());
  step.log(LogStream::out, "one\ntw");
  step.log(LogStream::out, "o\n\x1b[31mred\x1b[0m");
  step.finish(ActivityResult::done);
  Activity cached(bus, ActivityKind::step, "[3/3] COPY a b", image.id());
  cached.finish(ActivityResult::cached);
  image.finish(ActivityResult::done);
}

std::string shown(ProgressMode mode, PlainStyle style) {
  Pipe pipe;
  {
    EventBus bus;
    Progress progress(bus, {.mode = mode, .style = style, .fd = pipe.write.get()});
    play(bus);
    progress.close();
  }
  return pipe.text();
}

TEST(Progress, PlainByImage) {
  const auto text = shown(ProgressMode::plain, PlainStyle::images);
  EXPECT_THAT(text, HasSubstr("[app:1 2/3] RUN make\n"));
  EXPECT_THAT(text, HasSubstr("[app:1 2/3] two\n"));
  EXPECT_THAT(text, HasSubstr("[app:1 2/3] red\n"));
  EXPECT_THAT(text, HasSubstr("[app:1 3/3] cached\n"));
}

TEST(Progress, PlainAsBuildKit) {
  const auto text = shown(ProgressMode::plain, PlainStyle::steps);
  EXPECT_THAT(text, HasSubstr("#1 [2/3] RUN make\n"));
  EXPECT_THAT(text, testing::ContainsRegex("#1 [0-9.]+ two\n"));
  EXPECT_THAT(text, testing::ContainsRegex("#1 DONE [0-9.]+s\n"));
  EXPECT_THAT(text, HasSubstr("#2 [3/3] COPY a b\n#2 CACHED\n"));
}

TEST(Progress, JsonlHasOneObjectALine) {
  const auto text = shown(ProgressMode::jsonl, PlainStyle::images);
  EXPECT_THAT(text, HasSubstr(R"("event":"begin","id":2,"kind":"step","name":"[2/3] RUN make","parent":1})"));
  EXPECT_THAT(text, HasSubstr(R"("event":"end","id":3,"result":"cached"})"));
}

TEST(Progress, RawJsonIsBuildKits) {
  const auto text = shown(ProgressMode::rawjson, PlainStyle::images);
  EXPECT_THAT(text, HasSubstr(R"({"vertexes":[{"digest":"sha256:)"));
  EXPECT_THAT(text, HasSubstr(R"("data":"b25lCnR3")"));
  EXPECT_THAT(text, HasSubstr(R"("cached":true)"));
}

TEST(Progress, AStuckReaderBlocksNobody) {
  Pipe pipe;  // nobody reads: the pipe fills up after 64 KiB
  EventBus bus;
  Progress progress(bus, {.mode = ProgressMode::plain, .style = PlainStyle::images, .fd = pipe.write.get()});
  const auto begun = std::chrono::steady_clock::now();
  Activity step(bus, ActivityKind::step, "[1/1] RUN yes");
  const std::string chunk(100'000, 'y');
  for (int i = 0; i < 100; ++i) {
    step.log(LogStream::out, chunk + "\n");
  }
  step.finish(ActivityResult::done);
  progress.close();
  EXPECT_LT(seconds_between(begun, std::chrono::steady_clock::now()), 10);
  pipe.read.reset();  // lets the thread of the view end
}

TEST(ProgressText, CleansWhatTerminalsWouldObey) {
  EXPECT_EQ(clean_line("\x1b[2Jx\ty\r"), "x    y");
  EXPECT_EQ(clean_line("10%\r50%\r100%"), "100%");
  EXPECT_EQ(clean_line("\x1b]0;title\x07text"), "text");
}

TEST(ProgressText, ReadsStepNumbers) {
  EXPECT_EQ(step_number("[build 3/9] RUN x"), "3/9");
  EXPECT_EQ(step_number("[3/9] RUN x"), "3/9");
  EXPECT_EQ(step_number("[internal] load"), "");
  EXPECT_EQ(step_number("base x"), "");
}

TEST(ProgressText, FormatsTimesAndSizes) {
  EXPECT_EQ(format_seconds(0.04), "0.04s");
  EXPECT_EQ(format_seconds(12.34), "12.3s");
  EXPECT_EQ(format_seconds(72), "1m12s");
  EXPECT_EQ(format_seconds(7500), "2h05m");
  EXPECT_EQ(format_bytes(999), "999 B");
  EXPECT_EQ(format_bytes(49'100'000), "49.1 MB");
}

TEST(FailureCause, NamesWhatItSees) {
  EXPECT_EQ(find_cause("exit code: 1", {"SSLError(CERTIFICATE_VERIFY_FAILED)"})->rule, "certificate");
  EXPECT_EQ(find_cause("exit code: 100", {"Temporary failure resolving 'deb.debian.org'"})->rule, "network");
  EXPECT_EQ(find_cause("process did not complete: exit code: 137", {"Killed"})->rule, "memory");
  EXPECT_EQ(find_cause("write: No space left on device", {})->rule, "space");
  EXPECT_FALSE(find_cause("exit code: 1", {"assertion failed"}));
}

}  // namespace
}  // namespace dlc::cli
