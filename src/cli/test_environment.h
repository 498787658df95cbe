#pragma once
// The two files that the predecessor's test jobs read: testenv.json and test_type_images.json.
#include <filesystem>
#include <string>
#include <vector>

#include "buildspec/plan.h"
#include "cli/matrix_build.h"

namespace dlc::cli {

/// `[{"name": K, "value": V, "type": "PLAINTEXT"}...]` for BUILD_CONTEXT and TEST_TRIGGER.
[[nodiscard]] std::string test_environment_json(const buildspec::Environment& environment);
/// `{"suite": ["reference", ...]}` of the images that are built, sorted.
[[nodiscard]] std::string test_images_json(const buildspec::Plan& plan, const std::vector<ImageOutcome>& outcomes);

/// Writes both into `logs`, and into HOME too where CODEBUILD_BUILD_ID is set. Unchanged files are left alone.
void write_test_files(const std::filesystem::path& logs, const buildspec::Plan& plan,
                      const std::vector<ImageOutcome>& outcomes, const buildspec::Environment& environment);

}  // namespace dlc::cli
