#include "buildspec/explain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "repository.h"

namespace dlc::buildspec {
namespace {

using testing::HasSubstr;

class Explain : public testing::Test {
 protected:
  std::string of(const std::string& field) {
    const auto plan =
        repository.plan(head() + "images:\n" +
                        image("A", kFlag, "    context: {e: {source: a.py, target: e}}\n    image_size_baseline: 1\n"));
    EXPECT_EQ(repository.errors(), "");
    return explain(plan, repository.options, field);
  }
  std::string error_of(const std::string& field) {
    try {
      return of(field);
    } catch (const Error& error) {
      return error.message() + ": " + error.hint();
    }
  }
  Repository repository;
};

TEST_F(Explain, AJoinShowsItsParts) {
  EXPECT_EQ(of("A.tag"),
            "1.9.1-cpu   mxnet/buildspec.yml:17:10  !join [*VERSION, \"-\", *DEVICE_TYPE]\n"
            "  *VERSION      \"1.9.1\"  mxnet/buildspec.yml:4:19\n"
            "  *DEVICE_TYPE  \"cpu\"  mxnet/buildspec.yml:15:31\n"
            "  in the plan: 1.9.1-cpu-2020-09-13-12-26-40\n");
}

TEST_F(Explain, TheEnvironmentIsNamed) {
  repository.options.environment["DEVICE_TYPE"] = "gpu";
  EXPECT_THAT(
      of("A.tag"),
      HasSubstr("*DEVICE_TYPE  \"gpu\"  from the environment variable DEVICE_TYPE, over mxnet/buildspec.yml:15:31"));
  EXPECT_THAT(of("A.device_type"), HasSubstr("gpu   from the environment variable DEVICE_TYPE"));
}

TEST_F(Explain, MergesAndNestedJoins) {
  const auto text = of("A.repository");
  EXPECT_THAT(text, HasSubstr("merged from *TRAINING_REPOSITORY  mxnet/buildspec.yml:6:24, by << in line 12"));
  EXPECT_THAT(text, HasSubstr("*REGION      \"us-west-2\""));
  EXPECT_THAT(of("A.root"), HasSubstr("mxnet/training   mxnet/buildspec.yml:8:11"));
}

TEST_F(Explain, TheSelectionIsNamed) {
  EXPECT_THAT(of("A.to_build"),
              HasSubstr("true   chosen by the selection (MXNET_CPU_TRAINING_PY3), over mxnet/buildspec.yml:13:36"));
  EXPECT_THAT(of("A.build"), HasSubstr("in the plan: built"));
}

TEST_F(Explain, PathsBelowAnImage) {
  EXPECT_THAT(of("A.context.e.source"), HasSubstr("a.py   mxnet/buildspec.yml:19:"));
  EXPECT_THAT(of("A.context"), HasSubstr("a map of 1"));
}

TEST_F(Explain, RepeatedKeysAreTold) {
  EXPECT_THAT(of("A.image_size_baseline"), HasSubstr("stands again in line 20"));
}

TEST_F(Explain, RedefinitionsAreTold) {
  const auto plan = repository.plan(head() + "images:\n" + image("A", kFlag) + image("B", "true"));
  EXPECT_THAT(explain(plan, repository.options, "B.tag"), HasSubstr("(last of 2 definitions above line "));
}

TEST_F(Explain, FieldsThatOtherKeysDecide) {
  const auto plan =
      repository.plan("source_date_epoch: 7\ncontext: {c: {source: x, target: y}}\n" + head() + "images:\n" +
                      image("A", kFlag,
                            "    base: bookworm\n    tool_kit_version: 1.2\n"
                            "    download_artifacts: {w: {type: s3, URI: s3://b/w.whl, VAR_IN_DOCKERFILE: WHEEL}}\n"));
  ASSERT_EQ(repository.errors(), "");
  const auto text = [&](const std::string& field) { return explain(plan, repository.options, field); };
  EXPECT_EQ(text("A.version"), "1.9.1   mxnet/buildspec.yml:6:19\n");
  EXPECT_EQ(text("A.framework"), "mxnet   mxnet/buildspec.yml:5:23\n");
  EXPECT_EQ(text("A.context.c.source"), "x   mxnet/buildspec.yml:2:23\n");
  EXPECT_EQ(text("A.source_date_epoch"), "7   mxnet/buildspec.yml:1:20\n");
  EXPECT_THAT(text("A.build_args.BASE_IMAGE"), HasSubstr("decided by `base`:\nbookworm   mxnet/buildspec.yml:"));
  EXPECT_THAT(text("A.build_args.SM_TOOLKIT_VERSION"), HasSubstr("decided by `tool_kit_version`:\n1.2 "));
  EXPECT_THAT(text("A.labels.WHEEL_URI"), HasSubstr("decided by `download_artifacts.w.URI`:\ns3://b/w.whl "));
  EXPECT_THAT(of("A.source_date_epoch"), HasSubstr("the default"));
}

TEST_F(Explain, Errors) {
  EXPECT_EQ(error_of("B.tag"), "--explain: no image \"B\": did you mean A?");
  EXPECT_EQ(error_of("A"), "--explain: which field of A?: write IMAGE.FIELD, such as A.tag");
  EXPECT_EQ(error_of("A.tga"), "--explain: image A has no `tga`: did you mean tag?");
  EXPECT_THAT(error_of("A.zzzzzz"), HasSubstr("it has build, image_size_baseline"));
  EXPECT_THAT(error_of("A.tag.x"), HasSubstr("nothing below it"));
  EXPECT_THAT(error_of("longname.tag"), HasSubstr("dlc plan lists the images"));
}

}  // namespace
}  // namespace dlc::buildspec
