#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "buildspec/document.h"
#include "buildspec/plan.h"
#include "repository.h"

namespace dlc::buildspec {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

class Resolve : public testing::Test {
 protected:
  /// The only image of a file with head() and this image.
  PlannedImage one(const std::string& more = {}, const std::string& build = kFlag, const std::string& top = {}) {
    auto plan = repository.plan(head() + top + "images:\n" + image("A", build, more));
    EXPECT_EQ(repository.errors(), "");
    return plan.images.empty() ? PlannedImage() : plan.images.front();
  }
  bool built(const std::string& flag) { return one("", flag).to_build; }

  Repository repository;
};

TEST_F(Resolve, FieldsOfAnImage) {
  const auto image = one("    target: sagemaker\n");
  EXPECT_EQ(image.name, "A");
  EXPECT_EQ(image.buildspec, "mxnet/buildspec.yml");
  EXPECT_EQ(image.repository, "123456789012.dkr.ecr.us-west-2.amazonaws.com/pr-mxnet-training");
  EXPECT_EQ(image.tag, "1.9.1-cpu-2020-09-13-12-26-40");
  EXPECT_EQ(image.stable_tag, "1.9.1-cpu");
  EXPECT_EQ(short_name(image), "pr-mxnet-training:1.9.1-cpu");
  EXPECT_EQ(full_reference(image), image.repository + ":1.9.1-cpu-2020-09-13-12-26-40");
  EXPECT_EQ(image.root, "mxnet/training");
  EXPECT_EQ(image.docker_file, "docker/1.9.1/py3/Dockerfile.cpu");
  EXPECT_EQ(image.docker_file_path, "mxnet/training/docker/1.9.1/py3/Dockerfile.cpu");
  EXPECT_EQ(image.account_id, "123456789012");
  EXPECT_EQ(image.region, "us-west-2");
  EXPECT_EQ(image.framework, "mxnet");
  EXPECT_EQ(image.version, "1.9.1");
  EXPECT_EQ(image.device_type, "cpu");
  EXPECT_EQ(image.python_version, "py3");
  EXPECT_EQ(image.image_type, "training");
  EXPECT_EQ(image.image_size_baseline, 900);
  EXPECT_EQ(image.target, "sagemaker");
  EXPECT_TRUE(image.to_build);
  EXPECT_FALSE(image.base_image_uri);
  EXPECT_EQ(image.where.line, 11);
  EXPECT_EQ(image.baseline_where.line, 14);
  EXPECT_THAT(image.build_args, IsEmpty());
}

TEST_F(Resolve, BuildFlag) {
  EXPECT_TRUE(built("true"));
  EXPECT_TRUE(built("True"));
  EXPECT_FALSE(built("false"));
  EXPECT_TRUE(built("\"true\""));
  EXPECT_FALSE(built("\"True\""));
  EXPECT_FALSE(built("yes"));
  EXPECT_FALSE(built("1"));
  EXPECT_FALSE(built("1.0"));
  EXPECT_FALSE(built("null"));
  EXPECT_FALSE(built("&X true"));
  EXPECT_FALSE(built("&MXNET_CPU_TRAIN_PY3 false"));
  EXPECT_TRUE(built("&MXNET_CPU_TRAINING_PY3 false"));
  EXPECT_TRUE(built("&MXNET_NEURONX_INFERENCE_PY36 false"));
  repository.options.environment["X"] = "true";
  EXPECT_TRUE(built("&X false"));
  repository.options.environment["X"] = "True";
  EXPECT_FALSE(built("&X false"));
}

TEST_F(Resolve, SelectionSwitchesFlags) {
  repository.options.device_types = {"gpu"};
  EXPECT_FALSE(built("&MXNET_CPU_TRAINING_PY3 false"));
  EXPECT_FALSE(built("true"));  // a filter means what it says
  repository.options.device_types = {"cpu"};
  EXPECT_TRUE(built("true"));
  repository.options.image_types = {"inference"};
  EXPECT_FALSE(built("true"));
  repository.options.image_types = {"training"};
  repository.options.py_versions = {"py2"};
  EXPECT_FALSE(built(kFlag));
}

TEST_F(Resolve, UnknownSelectionIsRefused) {
  repository.options.device_types = {"cuda"};
  EXPECT_THROW(repository.plan(head() + "images: {}\n"), Error);
  repository.options.device_types = {};
  repository.options.py_versions = {"py4"};
  try {
    repository.plan(head() + "images: {}\n");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    EXPECT_THAT(error.hint(), HasSubstr("valid values: py2, py3, py36"));
  }
}

TEST_F(Resolve, BuildContexts) {
  auto& environment = repository.options.environment;
  environment["BUILD_CONTEXT"] = "MAINLINE";
  EXPECT_THAT(one().repository, HasSubstr("/beta-mxnet-training"));
  environment["BUILD_CONTEXT"] = "NIGHTLY";
  EXPECT_THAT(one().repository, HasSubstr("/nightly-mxnet-training"));
  environment["BUILD_CONTEXT"] = "PR";
  EXPECT_THROW(one(), Error);
  environment["PR_NUMBER"] = "7";
  EXPECT_EQ(one().stable_tag, "1.9.1-cpu-pr-7");
  environment["CODEBUILD_SOURCE_VERSION"] = "pr/1234";
  EXPECT_EQ(one().tag, "1.9.1-cpu-pr-1234-2020-09-13-12-26-40");
  EXPECT_THAT(one().repository, HasSubstr("/pr-mxnet-training"));
  environment["BUILD_CONTEXT"] = "SOMETHING";
  EXPECT_EQ(one().stable_tag, "1.9.1-cpu");
}

TEST_F(Resolve, EveryPrefixOfTheLastComponentChanges) {
  repository.options.environment = {{"BUILD_CONTEXT", "MAINLINE"}, {"REPOSITORY", "pr-host/pr-xpr-y"}};
  EXPECT_EQ(one().repository, "pr-host/beta-xbeta-y");
}

TEST_F(Resolve, VersionRule) {
  const std::string base = "account_id: a\nregion: r\nframework: mxnet\nversion: &VERSION ";
  const auto kept = [&](const std::string& top, const std::string& own) {
    const auto plan = repository.plan(
        base + top + "\nx: &TRAINING_REPOSITORY {image_type: training, root: m, repository: r}\nimages:\n" +
        image("A", "true", "    version: " + own + "\n"));
    EXPECT_EQ(repository.errors(), "");
    EXPECT_EQ(plan.skipped.size(), plan.images.empty() ? 1U : 0U);
    return plan.images.size() == 1;
  };
  EXPECT_TRUE(kept("1.9.1", "1.9.1"));
  EXPECT_TRUE(kept("1.9.1", "\"1.9.1\""));
  EXPECT_TRUE(kept("1.9.1", "null"));
  EXPECT_TRUE(kept("1.1", "1.10"));
  EXPECT_TRUE(kept("1", "1.0"));
  EXPECT_FALSE(kept("1.1", "\"1.1\""));
  EXPECT_FALSE(kept("1.9.1", "1.9.2"));
  EXPECT_FALSE(kept("1.1", "1.2"));
  EXPECT_TRUE(kept("2020-01-02", "2020-01-02"));
}

TEST_F(Resolve, ASkippedImageMayLackKeys) {
  const auto plan = repository.plan(head() + "images:\n  A:\n    version: 2\n");
  EXPECT_EQ(repository.errors(), "");
  ASSERT_EQ(plan.skipped.size(), 1U);
  EXPECT_EQ(plan.skipped[0].reason, "version");
}

TEST_F(Resolve, ContextAtThreeLevels) {
  const std::string top = R"(context:
  holder: &HOLDER
    h: {source: a/h, target: h}
    broken: {target: nowhere}
  everywhere: {source: ../shared/e, target: e}
  replaced: {source: old, target: old}
)";
  const auto image = one("    context:\n      <<: *HOLDER\n      replaced: {source: new, target: new}\n", kFlag, top);
  std::vector<std::string> seen;
  for (const auto& entry : image.context) {
    seen.push_back(entry.source + ">" + entry.path + ">" + entry.target);
  }
  EXPECT_THAT(seen,
              ElementsAre("../shared/e>mxnet/shared/e>e", "new>mxnet/training/new>new", "a/h>mxnet/training/a/h>h",
                          "docker/1.9.1/py3/Dockerfile.cpu>mxnet/training/docker/1.9.1/py3/Dockerfile.cpu>Dockerfile"));
}

TEST_F(Resolve, AContextKeyDockerfileGivesItsPlaceOnly) {
  const auto image =
      one("    context:\n      dockerfile: {source: mine, target: Mine}\n      z: {source: z, target: z}\n");
  ASSERT_EQ(image.context.size(), 2U);
  EXPECT_EQ(image.context[0].target, "Dockerfile");
  EXPECT_EQ(image.context[0].source, "docker/1.9.1/py3/Dockerfile.cpu");
}

TEST_F(Resolve, Downloads) {
  const auto image =
      one("    labels: {WHEEL: mine}\n    download_artifacts:\n      w: {type: s3, URI: \"s3://b/d/file-1.0.whl\", "
          "VAR_IN_DOCKERFILE: WHEEL}\n");
  EXPECT_THAT(image.build_args, ElementsAre(Pair("WHEEL", "file-1.0.whl")));
  EXPECT_THAT(image.labels, ElementsAre(Pair("WHEEL", "mine"), Pair("WHEEL_URI", "s3://b/d/file-1.0.whl")));
  ASSERT_EQ(image.downloads.size(), 1U);
  EXPECT_EQ(image.downloads[0].type, "s3");
  ASSERT_EQ(image.context.size(), 2U);
  EXPECT_TRUE(image.context[0].downloaded);
  EXPECT_EQ(image.context[0].target, "file-1.0.whl");
  EXPECT_EQ(image.context[1].target, "Dockerfile");
}

TEST_F(Resolve, VersionsBecomeBuildArguments) {
  const std::string keys =
      "    torch_serve_version: 0.80\n    tool_kit_version: 2.0.18\n    transformers_version: 4.10\n    "
      "datasets_version: 1.2.3\n";
  EXPECT_THAT(one(keys).build_args,
              ElementsAre(Pair("TORCHSERVE_VERSION", "0.8"), Pair("SM_TOOLKIT_VERSION", "2.0.18")));
  repository.options.environment["FRAMEWORK"] = "huggingface_mxnet";
  EXPECT_THAT(one(keys).build_args,
              ElementsAre(Pair("TRANSFORMERS_VERSION", "4.1"), Pair("DATASETS_VERSION", "1.2.3"),
                          Pair("TORCHSERVE_VERSION", "0.8"), Pair("SM_TOOLKIT_VERSION", "2.0.18")));
}

TEST_F(Resolve, LabelsAreTextsOfValues) {
  const auto image = one("    labels: {b: true, f: 1.10, n: null, s: x}\n    build_args: {V: 1.10}\n");
  EXPECT_THAT(image.labels, ElementsAre(Pair("b", "True"), Pair("f", "1.1"), Pair("n", "None"), Pair("s", "x")));
  EXPECT_THAT(image.build_args, ElementsAre(Pair("V", "1.1")));
}

TEST_F(Resolve, OurOwnKeys) {
  auto image = one("    base: bookworm\n    requires: [pytorch-index, gpu]\n    source_date_epoch: 5\n");
  EXPECT_EQ(image.base, "bookworm");
  EXPECT_THAT(image.build_args, ElementsAre(Pair("BASE_IMAGE", "dlc.local/base/bookworm")));
  EXPECT_THAT(image.needs, ElementsAre("pytorch-index", "gpu"));
  EXPECT_EQ(image.source_date_epoch, 5);
  image = one("    requires: gpu\n", kFlag, "source_date_epoch: 1577836800\n");
  EXPECT_THAT(image.needs, ElementsAre("gpu"));
  EXPECT_EQ(image.source_date_epoch, 1577836800);
}

TEST_F(Resolve, BaseImageName) {
  const auto plan = repository.plan(head() + "images:\n" + image("Parent", kFlag) +
                                    image("Child", "true", "    base_image_name: Parent\n"));
  ASSERT_EQ(plan.images.size(), 2U);
  EXPECT_EQ(plan.images[1].base_image_name, "Parent");
  EXPECT_EQ(plan.images[1].base_image_uri, full_reference(plan.images[0]));
  EXPECT_THAT(plan.images[1].build_args, ElementsAre(Pair("BASE_IMAGE", full_reference(plan.images[0]))));
  EXPECT_EQ(plan.selected(), 2);
  EXPECT_THAT(plan.operations,
              ElementsAre("build " + full_reference(plan.images[0]), "build " + full_reference(plan.images[1])));
}

TEST_F(Resolve, Errors) {
  const auto error_of = [&](const std::string& more, const std::string& top = {}) {
    repository.plan(head() + top + "images:\n" + image("A", kFlag, more));
    return repository.errors();
  };
  EXPECT_EQ(error_of("    base_image_name: B\n"), "no image B above this one");
  EXPECT_EQ(error_of("    base_image_name: A\n"), "no image A above this one");
  EXPECT_EQ(error_of("    base: a\n    build_args: {BASE_IMAGE: b}\n"), "BASE_IMAGE is given by `base` already");
  EXPECT_EQ(error_of("    labels: [a]\n"), "`labels` must be a map, but this is a list");
  EXPECT_EQ(error_of("    labels: {a: [b]}\n"), "`labels.a` must be text, but this is a list");
  EXPECT_EQ(error_of("    target: !x y\n"), "unknown tag !x");
  EXPECT_EQ(error_of("    source_date_epoch: x\n"), "`source_date_epoch` must be a whole number, not \"x\"");
  EXPECT_EQ(error_of("    context: {a: {source: [b], target: c}}\n"), "`source` must be text, but this is a list");
  EXPECT_EQ(error_of("    context: {a: {source: /b, target: c}}\n"), "the source lies outside of the repository: /b");
  EXPECT_EQ(error_of("    context: {a: {source: b, target: /c}}\n"),
            "the target lies outside of the build context: /c");
  EXPECT_EQ(error_of("    target: x\n", "zz: !join [*NO, x]\n"), "alias *NO has no anchor above this line");
  EXPECT_EQ(error_of("    download_artifacts: {a: b}\n"),
            "download a must be a map with type, URI and VAR_IN_DOCKERFILE");
  EXPECT_EQ(error_of("    download_artifacts: {a: {type: s3, URI: x/, VAR_IN_DOCKERFILE: V}}\n"),
            "the URI ends in /, so the download has no name");
  EXPECT_EQ(error_of("", "context: x\n"), "`context` must be a map, but this is text");
  repository.plan(head());
  EXPECT_EQ(repository.errors(), "the buildspec has no `images`");
  repository.plan(head() + "images:\n  A: x\n");
  EXPECT_EQ(repository.errors(), "image A must be a map, but this is text");
  repository.plan("- a\n");
  EXPECT_EQ(repository.errors(), "a buildspec is a map, but this is a list");
  repository.plan(head() + "images:\n  A: {}\n");
  EXPECT_EQ(repository.diagnostics.errors(), 9);  // every required key at once
}

TEST_F(Resolve, ManyBrokenImagesDoNotFloodTheScreen) {
  std::string text = head() + "images:\n";
  for (int i = 0; i < 1000; ++i) {
    text += "  I" + std::to_string(i) + ": {}\n";
  }
  repository.plan(text);
  EXPECT_LE(repository.diagnostics.errors(), 220);
  EXPECT_THAT(repository.errors(), HasSubstr("too many errors"));
}

TEST_F(Resolve, RootsStayInTheRepository) {
  for (const char* root : {"/etc", "../..", "a/../../b"}) {
    auto text = head();
    text.replace(text.find("!join [*FRAMEWORK, \"/\", *TRAINING_IMAGE_TYPE]"), 45, root);
    repository.plan(text + "images:\n" + image("A", kFlag));
    EXPECT_THAT(repository.errors(), HasSubstr("the root lies outside of the repository")) << root;
  }
}

TEST_F(Resolve, ABrokenJoinIsReportedOnce) {
  repository.plan(head() + "images:\n" + image("A", kFlag, "    base: !join [*NO, x]\n    target: !join [[a], b]\n"));
  EXPECT_EQ(repository.diagnostics.errors(), 2);
}

TEST_F(Resolve, BaselineForms) {
  const auto baseline = [&](const std::string& value) {
    repository.options.environment["SIZE"] = value;
    auto text = image("A", kFlag);
    text.replace(text.find("900"), 3, value);
    const auto plan = repository.plan(head() + "images:\n" + text);
    return repository.errors().empty() ? plan.images[0].image_size_baseline : -1;
  };
  EXPECT_EQ(baseline("\"5000\""), 5000);
  EXPECT_EQ(baseline("5_000"), 5000);
  EXPECT_EQ(baseline("12.0"), 12);
  EXPECT_EQ(baseline("12.9"), -1);
  EXPECT_EQ(baseline("\"12.9\""), -1);
  EXPECT_EQ(baseline("-1"), -1);
  EXPECT_EQ(baseline("99999999999999999999"), -1);
}

TEST_F(Resolve, TestSuites) {
  const auto text = head() + "images:\n" + image("A", kFlag);
  EXPECT_EQ(repository.plan(text).test_images.size(), 1U);
  repository.options.environment = {{"BUILD_CONTEXT", "PR"}, {"PR_NUMBER", "1"}};
  EXPECT_EQ(repository.plan(text).test_images.size(), 5U);
  repository.options.changed_files = {"test/dlc_tests/ecs/mxnet/training/test_x.py"};
  const auto plan = repository.plan(text);
  EXPECT_EQ(plan.test_images.size(), 2U);
  EXPECT_EQ(plan.test_images.at("ecs").size(), 1U);
}

TEST_F(Resolve, FrameworkMustFit) {
  repository.options.framework = "pytorch";
  repository.options.buildspecs = {"mxnet/buildspec.yml"};
  EXPECT_THROW(repository.plan(head() + "images: {}\n"), Error);
  repository.options.buildspecs = {};
  EXPECT_THROW(repository.plan(head() + "images: {}\n"), Error);
  repository.file("pytorch/buildspec.yml", "framework: pytorch\naccount_id: a\nregion: r\nversion: v\nimages: {}\n");
  EXPECT_THAT(repository.plan(head() + "images: {}\n").buildspecs, ElementsAre("pytorch/buildspec.yml"));
}

TEST_F(Resolve, TheFamilyOfAFrameworkSelects) {
  auto text = head() + "images:\n" + image("A", "&HUGGINGFACE_CPU_TRAINING_PY3 false");
  text.replace(text.find("FRAMEWORK mxnet"), 15, "FRAMEWORK huggingface_mxnet");
  EXPECT_EQ(repository.plan(text).selected(), 1);
  repository.options.framework = "huggingface";
  EXPECT_EQ(repository.plan(text).selected(), 1);
  repository.options.framework = "huggingface_mxnet";
  EXPECT_EQ(repository.plan(text).selected(), 0);
}

TEST_F(Resolve, FilesAreFoundOneLevelDown) {
  const std::string text = head() + "images: {}\n";
  repository.file("a/buildspec-2.yml", text);
  repository.file("a/buildspec.yaml", text);
  repository.file("a/b/buildspec.yml", text);
  repository.file(".hidden/buildspec.yml", text);
  repository.file("buildspec.yml", text);
  EXPECT_THAT(repository.plan(text).buildspecs, ElementsAre("a/buildspec-2.yml", "mxnet/buildspec.yml"));
}

TEST_F(Resolve, AFileNamedTwiceCountsOnce) {
  repository.options.buildspecs = {"mxnet/buildspec.yml", "./mxnet/../mxnet/buildspec.yml"};
  const auto plan = repository.plan(head() + "images:\n" + image("A", kFlag));
  EXPECT_EQ(plan.images.size(), 1U);
  EXPECT_THAT(plan.buildspecs, ElementsAre("mxnet/buildspec.yml"));
}

TEST_F(Resolve, NoFileIsAnError) {
  repository.options.buildspecs = {"mxnet/buildspek.yml"};
  try {
    repository.plan(head());
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.hint(), "did you mean mxnet/buildspec.yml?");
  }
  repository.options.buildspecs = {"mxnet"};
  EXPECT_THROW(repository.plan(head()), Error);
  repository.options.root /= "mxnet";
  repository.options.buildspecs = {};
  Diagnostics diagnostics;
  EXPECT_THROW(static_cast<void>(resolve(repository.options, diagnostics)), Error);
}

TEST_F(Resolve, ATooLargeFileIsRefused) {
  EXPECT_THROW(repository.plan(std::string(kMaxFileSize + 1, '#')), Error);
}

TEST_F(Resolve, PointersInPullRequests) {
  repository.file("mxnet/buildspec-1.yml", head() + "images:\n" + image("A", kFlag));
  const auto pointer = head() + "buildspec_pointer: buildspec-1.yml\n";
  repository.options.buildspecs = {"mxnet/buildspec.yml"};
  repository.plan(pointer);
  EXPECT_EQ(repository.errors(), "`buildspec_pointer` counts in pull requests only");
  repository.options.environment = {{"BUILD_CONTEXT", "PR"}, {"PR_NUMBER", "1"}};
  EXPECT_EQ(repository.plan(pointer).images.size(), 1U);
  repository.plan(head() + "buildspec_pointer: buildspec.yml\n");
  EXPECT_EQ(repository.errors(), "`buildspec_pointer` leads to itself");
}

TEST_F(Resolve, MissingFilesAreWarnings) {
  repository.options.check_files = true;
  repository.file("mxnet/training/docker/1.9.1/py3/Dockerfile.gpu", "");
  repository.file("mxnet/training/artifacts/entrypoint.py", "");
  const auto text = head() + "images:\n" +
                    image("A", kFlag,
                          "    context: {e: {source: artifacts/entrypont.py, target: e}, f: {source: "
                          "artifacts/entrypoint.py, target: f}}\n") +
                    image("Off", "false");
  repository.plan(text);
  ASSERT_EQ(repository.diagnostics.warnings(), 2);
  EXPECT_EQ(repository.diagnostics.all()[0].rule, "missing-dockerfile");
  EXPECT_EQ(repository.diagnostics.all()[0].hint, "did you mean mxnet/training/docker/1.9.1/py3/Dockerfile.gpu?");
  EXPECT_EQ(repository.diagnostics.all()[1].rule, "missing-artifact");
  EXPECT_EQ(repository.diagnostics.all()[1].hint, "did you mean mxnet/training/artifacts/entrypoint.py?");
}

TEST(Names, Placeholders) {
  EXPECT_EQ(unset_placeholder("<set-$ACCOUNT_ID-in-environment>.dkr"), "ACCOUNT_ID");
  EXPECT_FALSE(unset_placeholder("<set-$X"));
  EXPECT_FALSE(unset_placeholder("123"));
}

TEST(Names, ProcessEnvironmentHasPath) {
  EXPECT_EQ(process_environment().count("PATH"), 1U);
}

TEST_F(Resolve, ImagesThatMissSomethingAreLeftOutWithTheirChildren) {
  auto plan = repository.plan(head() + "images:\n" + image("A", kFlag, "    requires: [gpu, pypi]\n") +
                              image("B", "true", "    base_image_name: A\n") + image("C", "true"));
  ASSERT_EQ(plan.selected(), 3);
  EXPECT_EQ(plan.images[0].needs_where.line, 19);
  leave_out(plan, {});
  EXPECT_EQ(plan.selected(), 3);
  // all three have one reference: give the last its own, so that it is seen to stay
  plan.images[2].repository = "own";
  plan.operations = {"build " + full_reference(plan.images[0]), "build " + full_reference(plan.images[2])};
  plan.test_images = {{"sanity", {full_reference(plan.images[0]), full_reference(plan.images[2])}}};
  leave_out(plan, {{"gpu", "no driver"}});
  EXPECT_EQ(plan.images[0].left_out, "it requires gpu: no driver");
  EXPECT_EQ(plan.images[1].left_out, "it is based on A, which is left out");
  EXPECT_FALSE(plan.images[2].left_out);
  EXPECT_EQ(plan.selected(), 1);
  EXPECT_EQ(plan.operations.size(), 1U);
  EXPECT_EQ(plan.test_images.at("sanity").size(), 1U);
  EXPECT_THAT(to_json(plan), HasSubstr("\"left_out\": \"it requires gpu: no driver\""));
}

TEST_F(Resolve, Json) {
  const auto plan =
      repository.plan(head() + "images:\n" + image("A", kFlag, "    labels: {a: b}\n    base: bookworm\n") +
                      image("B", "false", "    version: 3\n"));
  const auto json = to_json(plan);
  EXPECT_THAT(json, HasSubstr("\"outcome\": \"planned\""));
  EXPECT_THAT(json, HasSubstr("\"BASE_IMAGE\": \"dlc.local/base/bookworm\""));
  EXPECT_THAT(json, HasSubstr("\"reason\": \"version\""));
  EXPECT_THAT(json, HasSubstr("\"target\": null"));
  EXPECT_EQ(json.back(), '\n');
}

}  // namespace
}  // namespace dlc::buildspec
