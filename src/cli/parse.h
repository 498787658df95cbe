#pragma once
// Running a CLI11 parser over a command's arguments. CLI11 itself is included in .cpp files only.
#include <span>
#include <string>

namespace CLI {  // NOLINT(readability-identifier-naming): the library's name
class App;
}

namespace dlc::cli {

/// True: go on. False: help was asked for and has been printed. Throws Error(usage) for a wrong command line; an
/// unknown option gets a "did you mean".
[[nodiscard]] bool parse(CLI::App& app, std::span<const std::string> arguments);

}  // namespace dlc::cli
