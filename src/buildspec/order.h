#pragma once
// Findings in the order of their places. Internal to this folder.
#include <vector>

#include "base/diagnostics.h"

namespace dlc::buildspec {

/// By file, line and column; findings of one place keep their order.
[[nodiscard]] std::vector<Diagnostic> in_order(const std::vector<Diagnostic>& findings);

}  // namespace dlc::buildspec
