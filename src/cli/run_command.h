#pragma once
// `dlc run`: one container of an image in the store, in the foreground.
#include <span>
#include <string>

#include "cli/command.h"

namespace dlc::cli {

/// The command's exit status; 125 where dlc itself failed, 126 and 127 where the program could not be run, as Docker.
int run_run(std::span<const std::string> arguments, const GlobalOptions& global);

}  // namespace dlc::cli
