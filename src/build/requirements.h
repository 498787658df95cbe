#pragma once
// What images may require to be built (the key `requires`): named probes, defined by the user in
// base/requirements.toml (docs/formats/buildspec.md, "Requirements"), each a URL that must answer or a command that
// must end well.
#include <filesystem>
#include <map>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace dlc::build {

struct Requirement {
  std::string name;
  std::string url;                   ///< met where a GET ends with a status below 400
  std::vector<std::string> command;  ///< or: met where it exits with 0
  int seconds = 10;                  ///< no answer by then: not met
  std::string hint;                  ///< what to do where it is not met
  SourceLocation where;
};

/// Throws Error(invalid) with file:line for an unknown key, a missing or malformed value, a name that is there twice.
[[nodiscard]] std::vector<Requirement> parse_requirements(std::string_view text, const std::string& file);

/// DLC_REQUIREMENTS, else base/requirements.toml below `root`; empty where there is neither.
[[nodiscard]] std::string find_requirements_file(const std::filesystem::path& root);

/// Probes the named ones, all at once. Returns those that are not met, with the reason: "URL answered with status 404;
/// HINT". Names that `known` does not define are left out. A stop request ends it with Error(cancelled).
[[nodiscard]] std::map<std::string, std::string> unmet_requirements(const std::set<std::string>& names,
                                                                    const std::vector<Requirement>& known,
                                                                    const std::stop_token& stop);

}  // namespace dlc::build
