#include "cli/build_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dlc::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

buildspec::PlannedImage planned() {
  buildspec::PlannedImage image;
  image.name = "A";
  image.buildspec = "mxnet/buildspec.yml";
  image.repository = "x/pr-mxnet-training";
  image.stable_tag = "1";
  image.framework = "mx\"net";
  return image;
}

TEST(BuildMetrics, one_line_for_each_figure_of_an_image) {
  const auto image = planned();
  ImageOutcome done;
  done.image = &image;
  done.name = "pr-mxnet-training:1";
  done.status = ImageStatus::built;
  done.bytes = 4096;
  done.seconds = 1.5;
  done.started = 1;
  done.steps = {.run = 2, .cached = 7};
  ImageOutcome never;
  never.image = &image;
  never.name = "child:1";
  const auto text = metrics_text({done, never}, "PR");
  EXPECT_THAT(text, HasSubstr("# TYPE dlc_image_build_seconds gauge\n"));
  EXPECT_THAT(text, HasSubstr("dlc_image_build_seconds{image=\"pr-mxnet-training:1\",buildspec=\"mxnet/buildspec.yml\","
                              "build_context=\"PR\",framework=\"mx\\\"net\""));
  EXPECT_THAT(text, HasSubstr("} 1.500\n"));
  EXPECT_THAT(text, HasSubstr("} 4096\n"));
  EXPECT_THAT(text, Not(HasSubstr("dlc_image_build_seconds{image=\"child:1\"")));
  EXPECT_THAT(text, HasSubstr("dlc_image_build_success{image=\"child:1\""));
}

TEST(BuildReport, images_left_out_are_named) {
  const auto image = planned();
  ImageOutcome done;
  done.image = &image;
  done.name = "pr-mxnet-training:1";
  done.status = ImageStatus::up_to_date;
  const ReportContext context{.not_selected = 1, .left_out = {{"gpu:1", "it requires nvidia-gpu: no driver"}}};
  EXPECT_THAT(render_report({done}, context), HasSubstr("gpu:1                 Left out    it requires nvidia-gpu"));
  EXPECT_THAT(render_json({done}, context), HasSubstr("\"reason\": \"it requires nvidia-gpu: no driver\""));
}

TEST(BuildReport, an_image_that_is_too_large_says_what_grew) {
  const auto image = planned();
  ImageOutcome failed;
  failed.image = &image;
  failed.name = "pr-mxnet-training:1";
  failed.status = ImageStatus::failed;
  failed.error.emplace(ErrorKind::failed, "size 9 MiB is over 1.2 x the baseline of 4 MiB");
  failed.size.over = true;
  failed.growth = verify::Growth{.bytes = 6 << 20, .paths = {{"/tool", 5 << 20, 0}}};
  EXPECT_THAT(render_report({failed}, {}), HasSubstr("   +6 MiB since the last build:  /tool +5\n"));
  failed.growth = verify::Growth{.bytes = -(2 << 20), .paths = {}};
  EXPECT_THAT(render_report({failed}, {}), HasSubstr("   -2 MiB since the last build:\n"));
}

}  // namespace
}  // namespace dlc::cli
