#pragma once
// The bill of materials of a stored image.
#include <string>

#include "cli/image_lookup.h"

namespace dlc::cli {

/// `format`: "spdx" or "cyclonedx".
[[nodiscard]] std::string sbom_text(store::Store& store, const LocalImage& image, const std::string& format);

}  // namespace dlc::cli
