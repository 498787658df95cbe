#pragma once
// From one syntax node to a typed instruction.
#include "dockerfile/dockerfile.h"

namespace dlc::dockerfile {

/// Throws Error(invalid) without a place.
[[nodiscard]] Body make_body(const Node& node);

}  // namespace dlc::dockerfile
