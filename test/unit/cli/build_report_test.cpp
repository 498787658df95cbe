#include "cli/build_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/lines.h"

namespace dlc::cli {
namespace {

using testing::HasSubstr;

const std::string kLong = "[packages 2/2] RUN make \\\n      all\x1b[31m " + std::string(200, 'x') + "\n";

ImageOutcome outcome_of(const buildspec::PlannedImage& image, ImageStatus status) {
  ImageOutcome outcome;
  outcome.image = &image;
  outcome.name = "pr-mxnet-training:1";
  outcome.status = status;
  return outcome;
}

TEST(BuildReport, images_left_out_are_named) {
  const buildspec::PlannedImage image;
  const auto done = outcome_of(image, ImageStatus::up_to_date);
  const ReportContext context{.not_selected = 1, .left_out = {{"gpu:1", "it requires nvidia-gpu: no driver"}}};
  EXPECT_THAT(render_report({done}, context), HasSubstr("gpu:1                 Left out    it requires nvidia-gpu"));
  EXPECT_THAT(render_json({done}, context), HasSubstr("\"reason\": \"it requires nvidia-gpu: no driver\""));
}

TEST(BuildReport, an_image_that_is_too_large_says_what_grew) {
  const buildspec::PlannedImage image;
  auto failed = outcome_of(image, ImageStatus::failed);
  failed.error.emplace(ErrorKind::failed, "size 9 MiB is over 1.2 x the baseline of 4 MiB");
  failed.size.over = true;
  failed.growth = verify::Growth{.bytes = 6 << 20, .paths = {{"/tool", 5 << 20, 0}}};
  EXPECT_THAT(render_report({failed}, {}), HasSubstr("   +6 MiB since the last build:  /tool +5\n"));
  failed.growth = verify::Growth{.bytes = -(2 << 20), .paths = {}};
  EXPECT_THAT(render_report({failed}, {}), HasSubstr("   -2 MiB since the last build:\n"));
}

TEST(BuildReport, steps_of_many_lines_are_named_in_one) {
  const buildspec::PlannedImage image;
  auto built = outcome_of(image, ImageStatus::built);
  built.steps = {.run = 1, .cached = 1};
  built.total_steps = 2;
  built.reasons = {{.step = kLong, .reason = "stage with " + kLong + " changed"}, {.step = "short", .reason = ""}};
  const auto report = render_report({built}, {});
  const auto lines = split_lines(report);
  ASSERT_GT(lines.size(), 3U);
  EXPECT_THAT(lines[2], testing::StartsWith("   [packages 2/2] RUN make \\ all xxx"));
  EXPECT_THAT(lines[2], HasSubstr("…: stage with [packages 2/2] RUN make \\ all xxx"));
  EXPECT_LT(lines[2].size(), 220U);
  EXPECT_EQ(lines[3], "Build Logs");

  // For programs all of it stays.
  EXPECT_THAT(render_json({built}, {}), HasSubstr(std::string(200, 'x') + "\\n\""));
}

TEST(BuildReport, a_failed_step_of_many_lines_is_named_in_one) {
  const buildspec::PlannedImage image;
  auto failed = outcome_of(image, ImageStatus::failed);
  failed.failed_step = kLong;
  failed.error = Error(ErrorKind::failed, "process \"make\" did not complete: exit code: 2");
  const auto report = render_report({failed}, {});
  const auto lines = split_lines(report);
  ASSERT_GT(lines.size(), 2U);
  EXPECT_THAT(lines[1], testing::EndsWith("x…   exit 2"));
  EXPECT_EQ(lines[2], "Build Logs");
}

}  // namespace
}  // namespace dlc::cli
