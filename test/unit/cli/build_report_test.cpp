#include "cli/build_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dlc::cli {
namespace {

using testing::HasSubstr;

const std::string kLong = "[packages 2/2] RUN make \\\n      all\x1b[31m " + std::string(200, 'x') + "\n";

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = text.find('\n', at);
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

TEST(BuildReport, steps_of_many_lines_are_named_in_one) {
  buildspec::PlannedImage image;
  ImageOutcome built;
  built.image = &image;
  built.name = "a:1";
  built.status = ImageStatus::built;
  built.steps = {.run = 1, .cached = 1};
  built.total_steps = 2;
  built.reasons = {{.step = kLong, .reason = "stage with " + kLong + " changed"}, {.step = "short", .reason = ""}};
  const auto lines = lines_of(render_report({built}, {}));
  ASSERT_GT(lines.size(), 3U);
  EXPECT_THAT(lines[2], testing::StartsWith("   [packages 2/2] RUN make \\ all xxx"));
  EXPECT_THAT(lines[2], HasSubstr("…: stage with [packages 2/2] RUN make \\ all xxx"));
  EXPECT_LT(lines[2].size(), 220U);
  EXPECT_EQ(lines[3], "Build Logs");

  // For programs all of it stays.
  EXPECT_THAT(render_json({built}, {}), HasSubstr(std::string(200, 'x') + "\\n\""));
}

TEST(BuildReport, a_failed_step_of_many_lines_is_named_in_one) {
  buildspec::PlannedImage image;
  ImageOutcome failed;
  failed.image = &image;
  failed.name = "a:1";
  failed.status = ImageStatus::failed;
  failed.failed_step = kLong;
  failed.error = Error(ErrorKind::failed, "process \"make\" did not complete: exit code: 2");
  const auto lines = lines_of(render_report({failed}, {}));
  ASSERT_GT(lines.size(), 2U);
  EXPECT_THAT(lines[1], testing::EndsWith("x…   exit 2"));
  EXPECT_EQ(lines[2], "Build Logs");
}

}  // namespace
}  // namespace dlc::cli
