#pragma once
// Programs of an image, asked in a container of it: what its own package managers know of the world outside.
#include <string>
#include <vector>

#include "base/process.h"
#include "cli/command.h"

namespace dlc::cli {

/// Throws Error(not_found) where the store has no such image.
void require_image(const std::string& image, const GlobalOptions& global);

/// Runs the program as root in a container that is removed again, with the caller's proxies, certificates and package
/// index: these are about this machine, not about the image.
[[nodiscard]] CommandResult run_in_image(const std::string& image, const std::string& program,
                                         const std::vector<std::string>& arguments, const GlobalOptions& global);

}  // namespace dlc::cli
