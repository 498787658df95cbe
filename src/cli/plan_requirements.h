#pragma once
// `requires` at work: probes what the selected images name and leaves out those that miss something.
#include <filesystem>
#include <stop_token>
#include <string>

#include "buildspec/plan.h"

namespace dlc::cli {

/// Probes run only where a selected image requires something. A name that is not defined, or a wrong definition, is an
/// error in `diagnostics`; the plan is then as it was.
void probe_requirements(buildspec::Plan& plan, const std::filesystem::path& root, Diagnostics& diagnostics,
                        const std::stop_token& stop);

/// A line for each image that is left out, for standard error.
[[nodiscard]] std::string left_out_text(const buildspec::Plan& plan);

}  // namespace dlc::cli
