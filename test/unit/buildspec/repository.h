#pragma once
// A small repository in a temporary directory, and what its buildspecs resolve to.
#include <filesystem>
#include <string>

#include "base/files.h"
#include "buildspec/plan.h"

namespace dlc::buildspec {

/// The lines before `images:` of most cases: framework mxnet, version 1.9.1, TRAINING_REPOSITORY.
inline std::string head() {
  return R"(account_id: &ACCOUNT_ID "123456789012"
region: &REGION us-west-2
framework: &FRAMEWORK mxnet
version: &VERSION 1.9.1
repository_info:
  training_repository: &TRAINING_REPOSITORY
    image_type: &TRAINING_IMAGE_TYPE training
    root: !join [*FRAMEWORK, "/", *TRAINING_IMAGE_TYPE]
    repository: &REPOSITORY !join [*ACCOUNT_ID, .dkr.ecr., *REGION, .amazonaws.com/pr-mxnet-training]
)";
}

/// One image with a `build` value; `more` are further lines, indented by four.
inline std::string image(const std::string& name, const std::string& build, const std::string& more = {}) {
  return "  " + name + ":\n    <<: *TRAINING_REPOSITORY\n    build: " + build +
         "\n    image_size_baseline: 900\n    device_type: &DEVICE_TYPE cpu\n    python_version: py3\n"
         "    tag: !join [*VERSION, \"-\", *DEVICE_TYPE]\n    docker_file: docker/1.9.1/py3/Dockerfile.cpu\n" +
         more;
}

inline const std::string kFlag = "&MXNET_CPU_TRAINING_PY3 false";

class Repository {
 public:
  Repository() : directory_(std::filesystem::temp_directory_path(), "dlc-buildspec-") {
    options.root = directory_.path();
    options.check_files = false;
    options.now = 1'600'000'000;  // 2020-09-13 12:26:40 UTC
  }

  void file(const std::string& path, const std::string& text) {
    const auto full = directory_.path() / path;
    std::filesystem::create_directories(full.parent_path());
    write_file_atomically(full, text);
  }

  /// The plan of one buildspec with this text, at mxnet/buildspec.yml.
  Plan plan(const std::string& text) {
    file("mxnet/buildspec.yml", text);
    diagnostics = Diagnostics();
    return resolve(options, diagnostics);
  }

  /// The only error's message, or all of them on one line.
  [[nodiscard]] std::string errors() const {
    std::string text;
    for (const auto& diagnostic : diagnostics.all()) {
      if (diagnostic.severity == Severity::error) {
        text += (text.empty() ? "" : " | ") + diagnostic.message;
      }
    }
    return text;
  }

  ResolveOptions options;
  Diagnostics diagnostics;

 private:
  TemporaryDirectory directory_;
};

}  // namespace dlc::buildspec
