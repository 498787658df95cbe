#include "buildspec/keys.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

namespace dlc::buildspec {

namespace {

const std::vector<std::string> kTopLevel{
    "account_id", "region", "framework", "version", "context", "images", "repository_info", "source_date_epoch",
    // holders of anchors
    "arch_type", "base_framework", "contributor", "cuda_version", "docker_file_version", "diffusers_version",
    "datasets_version", "framework_version", "os_version", "prod_account_id", "python_version", "release_repository",
    "sagemaker_package_name", "sgm_version", "short_version", "synapseai_version", "tag_python_version",
    "transformers_version",
    // of later versions of the original; see `without_effect` and `other_image`
    "autopatch_build", "buildspec_pointer", "deep_canary_only", "skip_build", "build_tag_override"};

const std::vector<std::string> kImage{
    "build", "image_size_baseline", "device_type", "python_version", "image_type", "root", "repository", "tag",
    "docker_file", "context", "base_image_name", "version", "target", "labels", "download_artifacts",
    "transformers_version", "datasets_version", "torch_serve_version", "tool_kit_version", "base", "build_args",
    "source_date_epoch", "requires",
    // holders of anchors
    "repository_name", "tag_python_version", "cuda_version", "os_version", "framework_version", "base_framework",
    "neuron_sdk_version", "sagemaker_package_name", "synapseai_version", "diffusers_version", "pytorch_binary",
    "example_release_repository", "example_release_repository_name", "inference_type", "release_repository_name",
    "release_repository", "latest_release_tag", "oss_compliance",
    // of later versions of the original; see `without_effect` and `other_image`
    "autopatch_build", "enable_test_promotion", "enable_common_stage_build", "test_configs", "skip_build",
    "build_tag_override", "aws_framework_installed", "aws_smdebug_installed", "aws_smddp_installed",
    "aws_smmp_installed", "apex_setup", "nxdt_requirements", "nxdt_install_setup", "arch_type"};

struct Expectation {
  std::string_view key;
  std::string_view text;
};
constexpr auto kExpected = std::to_array<Expectation>({
    {"account_id", "account_id: \"123456789012\""},
    {"region", "region: us-west-2"},
    {"framework", "framework: mxnet"},
    {"version", "version: 1.9.1"},
    {"images", "images: a map of image names"},
    {"build", "build: true, false or &FRAMEWORK_DEVICE_TYPE_PYTHON false"},
    {"image_size_baseline", "image_size_baseline: the size in MiB"},
    {"device_type", "device_type: cpu or gpu"},
    {"python_version", "python_version: py3"},
    {"image_type", "image_type: training or inference"},
    {"root", "root: the directory, such as mxnet/training"},
    {"repository", "repository: the name without a tag"},
    {"tag", "tag: such as 1.9.1-cpu-py3"},
    {"docker_file", "docker_file: the path below root"},
    {"source_date_epoch", "source_date_epoch: seconds since 1970"},
    {"requires", "requires: a list of names"},
    {"source", "source: the path below root"},
    {"target", "target: the path in the build context"},
    {"type", "type: s3 or http"},
    {"URI", "URI: where to download it from"},
    {"VAR_IN_DOCKERFILE", "VAR_IN_DOCKERFILE: the name of a build argument"},
});

constexpr auto kWithoutEffect = std::to_array<Expectation>({
    {"deep_canary_only", "dlc builds what is selected; which tests run is chosen when they are run"},
    {"enable_test_promotion", "nothing is promoted: dlc pushes under the names of the plan, with --push"},
    {"enable_common_stage_build", "there is no second image on top of each image, so nothing is left out"},
    {"test_configs", "which tests run is chosen when they are run"},
    {"oss_compliance", "sources of packages are not collected"},
    {"latest_release_tag", "no released image is looked up"},
});

constexpr auto kOtherImage = std::to_array<Expectation>({
    {"autopatch_build",
     "dlc builds the image from its Dockerfile; it does not patch the released one. `dlc build --no-cache --pull` "
     "takes "
     "the newest packages"},
    {"skip_build",
     "dlc builds the image from its Dockerfile; it does not put the released one in its place. Leave it out of the "
     "selection, or name the released image in a Dockerfile: FROM REPOSITORY:TAG"},
    {"build_tag_override",
     "dlc builds the image from its Dockerfile; it does not put another one in its place. Leave it out of the "
     "selection, or name the other image in a Dockerfile: FROM REPOSITORY:TAG"},
});

template <std::size_t N>
std::string_view text_for(const std::array<Expectation, N>& table, std::string_view key) {
  const auto* found =
      std::find_if(table.begin(), table.end(), [&](const Expectation& known) { return known.key == key; });
  return found == table.end() ? std::string_view() : found->text;
}

}  // namespace

std::string_view without_effect(std::string_view key) {
  return text_for(kWithoutEffect, key);
}
std::string_view other_image(std::string_view key) {
  return text_for(kOtherImage, key);
}

std::span<const std::string> top_level_keys() {
  return kTopLevel;
}
std::span<const std::string> image_keys() {
  return kImage;
}

std::string expected_of(const std::string& key) {
  const auto* found =
      std::find_if(kExpected.begin(), kExpected.end(), [&](const Expectation& known) { return known.key == key; });
  return found != kExpected.end() ? "expected " + std::string(found->text) : std::string();
}

}  // namespace dlc::buildspec
