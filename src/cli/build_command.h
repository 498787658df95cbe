#pragma once
// `dlc build`: makes the images of the buildspecs (docs/build.md).
#include <span>
#include <string>

#include "cli/command.h"

namespace dlc::cli {

int run_build(std::span<const std::string> arguments, const GlobalOptions& global);

}  // namespace dlc::cli
