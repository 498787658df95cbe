#pragma once
// What most likely made a step fail, from its exit status and the end of its output: no network, a certificate that is
// not trusted, no space, out of memory, an unknown package, a missing library. Pure; thread-safe.
#include <optional>
#include <string>
#include <vector>

namespace dlc::cli {

struct FailureCause {
  std::string rule;    ///< stable name: "network", "certificate", "space", "memory", ...
  std::string likely;  ///< one line
  std::string hint;    ///< what to do; may be empty
};

/// `message`: the error's text; `lines`: the end of the step's output. Nothing where no known sign is seen.
[[nodiscard]] std::optional<FailureCause> find_cause(const std::string& message, const std::vector<std::string>& lines);

}  // namespace dlc::cli
