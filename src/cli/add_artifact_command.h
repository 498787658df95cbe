#pragma once
// `dlc add-artifact`: a file of the repository becomes part of images: an entry of their build context, and a COPY line
// in their Dockerfiles.
#include <span>
#include <string>

#include "cli/command.h"

namespace dlc::cli {

int run_add_artifact(std::span<const std::string> arguments, const GlobalOptions& global);

}  // namespace dlc::cli
