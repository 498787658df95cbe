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

}  // namespace
}  // namespace dlc::cli
