#pragma once
// From the program's arguments to a command's exit status.
#include <span>
#include <string>

#include "base/error.h"

namespace dlc::cli {

/// Runs the command that `arguments` (without the program's name) ask for. Throws dlc::Error.
[[nodiscard]] int dispatch(std::span<const std::string> arguments);

/// The error as shown to a person, ending in a newline.
[[nodiscard]] std::string render(const Error& error);

}  // namespace dlc::cli
