#pragma once
// `dlc doctor`: what of this machine `dlc` needs, whether it is there, and what to do where it is not.
#include <span>
#include <string>

#include "cli/command.h"

namespace dlc::cli {

/// Exit status 1 where anything is wrong (✗).
int run_doctor(std::span<const std::string> arguments, const GlobalOptions& global);

}  // namespace dlc::cli
