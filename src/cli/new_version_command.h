#pragma once
// `dlc new-version`: the first step of an upgrade. The folders of a version are copied to those of the new one, and the
// buildspec's `version` is changed.
#include <span>
#include <string>

#include "cli/command.h"

namespace dlc::cli {

int run_new_version(std::span<const std::string> arguments, const GlobalOptions& global);

}  // namespace dlc::cli
