#pragma once
// `dlc login` and `dlc logout`: credentials for a registry, kept where Docker keeps them.
#include <span>
#include <string>

#include "cli/command.h"

namespace dlc::cli {

int run_login(std::span<const std::string> arguments, const GlobalOptions& global);
int run_logout(std::span<const std::string> arguments, const GlobalOptions& global);

}  // namespace dlc::cli
