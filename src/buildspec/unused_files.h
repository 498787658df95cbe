#pragma once
// Dockerfiles and artifacts that no buildspec uses. Internal to this folder.
#include <filesystem>

#include "buildspec/plan.h"

namespace dlc::buildspec {

/// Notes ("unused-dockerfile", "unused-artifact") for files below the roots of `plan`'s images that no image of `all`
/// names. An artifact is a file in a directory from which some image takes a file.
void check_unused(const std::filesystem::path& root, const Plan& plan, const Plan& all, Diagnostics& diagnostics);

}  // namespace dlc::buildspec
