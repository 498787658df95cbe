#pragma once
// `dlc plan`: what the buildspecs resolve to, without building anything.
#include <span>
#include <string>

#include "cli/command.h"

namespace dlc::cli {

int run_plan(std::span<const std::string> arguments, const GlobalOptions& global);

}  // namespace dlc::cli
