#pragma once
// `dlc store df|gc|check`. JSON: docs/formats/image-json.md.
#include <span>
#include <string>

#include "cli/command.h"

namespace dlc::cli {

int run_store_df(std::span<const std::string> arguments, const GlobalOptions& global);
int run_store_gc(std::span<const std::string> arguments, const GlobalOptions& global);
int run_store_check(std::span<const std::string> arguments, const GlobalOptions& global);

}  // namespace dlc::cli
