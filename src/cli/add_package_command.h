#pragma once
// `dlc add-package`: a Python package with all it needs goes into an image's lock file, or a Debian package into its
// Dockerfile's list.
#include <span>
#include <string>

#include "cli/command.h"

namespace dlc::cli {

int run_add_package(std::span<const std::string> arguments, const GlobalOptions& global);

}  // namespace dlc::cli
