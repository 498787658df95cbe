#pragma once
// Whether the Dockerfiles and context files that a plan names exist. Internal to this folder.
#include <filesystem>

#include "buildspec/plan.h"

namespace dlc::buildspec {

enum class FilesOf { selected, all };

/// A warning for each missing file, once per place and path ("missing-dockerfile", "missing-artifact").
void check_files(const std::filesystem::path& root, const Plan& plan, FilesOf which, Diagnostics& diagnostics);

}  // namespace dlc::buildspec
