#pragma once
// Figures of a build for a monitoring system: `dlc build --metrics FILE` (docs/build.md, "Metrics").
#include <string>
#include <vector>

#include "cli/build_report.h"
#include "cli/matrix_build.h"

namespace dlc::cli {

/// Prometheus' text format: for each image its time, status, size and steps.
[[nodiscard]] std::string metrics_text(const std::vector<ImageOutcome>& outcomes, std::string_view build_context);

}  // namespace dlc::cli
