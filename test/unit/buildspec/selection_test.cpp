#include "buildspec/selection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dlc::buildspec {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> changed(std::vector<std::string> files, std::string_view framework = "mxnet") {
  ResolveOptions options;
  options.environment = {{"BUILD_CONTEXT", "PR"}};
  options.changed_files = std::move(files);
  return choose(options, framework).variables(framework);
}

constexpr std::size_t kAll = 7 * 2 * 3;

TEST(Selection, VariableNames) {
  EXPECT_EQ(selection_variable("huggingface_pytorch", "gpu", "training", "py3"),
            "HUGGINGFACE_PYTORCH_GPU_TRAINING_PY3");
}

TEST(Selection, WithoutFiltersEverything) {
  EXPECT_EQ(choose({}, "mxnet").variables("mxnet").size(), kAll);
}

TEST(Selection, FiltersCombine) {
  ResolveOptions options;
  options.device_types = {"cpu", "gpu"};
  options.image_types = {"training"};
  options.py_versions = {"py3"};
  EXPECT_THAT(choose(options, "mxnet").variables("mxnet"),
              ElementsAre("MXNET_CPU_TRAINING_PY3", "MXNET_GPU_TRAINING_PY3"));
}

TEST(Selection, ChangedFilesCountInPullRequestsOnly) {
  ResolveOptions options;
  options.changed_files.emplace();
  EXPECT_EQ(choose(options, "mxnet").variables("mxnet").size(), kAll);
  options.environment["BUILD_CONTEXT"] = "PR";
  EXPECT_THAT(choose(options, "mxnet").variables("mxnet"), IsEmpty());
}

TEST(Selection, ADockerfileSelectsItsCombination) {
  EXPECT_THAT(changed({"README.md", "mxnet/training/docker/1.6.0/py3/Dockerfile.cpu"}),
              ElementsAre("MXNET_CPU_TRAINING_PY3"));
  EXPECT_THAT(changed({"mxnet/training/docker/1.6.0/py3/cu101/Dockerfile.gpu"}), ElementsAre("MXNET_GPU_TRAINING_PY3"));
  EXPECT_THAT(changed({"pytorch/training/docker/1.6.0/py3/Dockerfile.cpu"}), IsEmpty());
  EXPECT_THAT(changed({"mxnet/training/docker/1.6.0/py3/Dockerfile.cpu.json"}), IsEmpty());
  EXPECT_THAT(changed({"mxnet/Dockerfile.cpu"}), IsEmpty());
  EXPECT_THAT(changed({"mxnet/training/docker/artifacts/a.py"}), IsEmpty());
}

TEST(Selection, SetsAreCombinedCrosswise) {
  EXPECT_EQ(
      changed({"mxnet/training/docker/1/py3/Dockerfile.cpu", "mxnet/inference/docker/1/py2/Dockerfile.gpu"}).size(),
      8U);
}

TEST(Selection, BuildspecsAndSourcesSelectEverything) {
  EXPECT_EQ(changed({"mxnet/buildspec-1-9.yml"}).size(), kAll);
  EXPECT_EQ(changed({"src/main.py"}).size(), kAll);
  EXPECT_EQ(changed({"testspec.yml"}).size(), kAll);
  EXPECT_THAT(changed({"pytorch/buildspec.yml", "docs/x.md"}), IsEmpty());
}

TEST(Selection, AFamilyDirectoryIsTheFramework) {
  EXPECT_THAT(changed({"huggingface/pytorch/training/docker/1/py3/Dockerfile.gpu"}, "huggingface_pytorch"),
              ElementsAre("HUGGINGFACE_PYTORCH_GPU_TRAINING_PY3"));
}

TEST(Selection, Tests) {
  EXPECT_EQ(changed({"test/sagemaker_tests/mxnet/training/integration/a.py"}).size(), kAll / 2);
  EXPECT_THAT(changed({"test/sagemaker_tests/pytorch/training/integration/a.py"}), IsEmpty());
  EXPECT_EQ(changed({"test/sagemaker_tests/conftest.py"}).size(), kAll);
  EXPECT_EQ(changed({"test/dlc_tests/ec2/mxnet/inference/a.py"}).size(), kAll / 2);
  EXPECT_THAT(changed({"test/dlc_tests/ec2/pytorch/inference/a.py"}), IsEmpty());
  EXPECT_EQ(changed({"test/dlc_tests/conftest.py"}).size(), kAll);
  EXPECT_EQ(changed({"test/testrunner.py"}).size(), kAll);
}

TEST(Selection, KnownValuesPass) {
  ResolveOptions options;
  options.device_types = {known_device_types().begin(), known_device_types().end()};
  options.image_types = {known_image_types().begin(), known_image_types().end()};
  options.py_versions = {known_py_versions().begin(), known_py_versions().end()};
  EXPECT_NO_THROW(check_selection(options));
  options.image_types = {"trainng"};
  EXPECT_THROW(check_selection(options), Error);
}

}  // namespace
}  // namespace dlc::buildspec
