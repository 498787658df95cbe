#pragma once
// `dlc lint`: findings about buildspecs, for people, CI and editors.
#include <span>
#include <string>

#include "cli/command.h"

namespace dlc::cli {

int run_lint(std::span<const std::string> arguments, const GlobalOptions& global);

}  // namespace dlc::cli
