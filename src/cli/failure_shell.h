#pragma once
// `--on-failure shell`: a shell where a RUN step failed, with all that the step had: its file system as the step left
// it, its mounts, environment, user and directory.
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "cli/progress.h"
#include "sandbox/container.h"

namespace dlc::cli {

struct FailureShellOptions {
  std::string command;  ///< run by a shell; empty: an interactive shell
};

/// "shell" or "shell=COMMAND". Throws Error(usage) for anything else, and where "shell" has no terminal.
[[nodiscard]] FailureShellOptions parse_failure_shell(std::string_view text);

/// Thread-safe; the first failure gets the shell, later ones none.
class FailureShell {
 public:
  explicit FailureShell(FailureShellOptions options) : options_(std::move(options)) {}
  /// Returns when the shell has ended. Ends the display of progress.
  void open(const std::string& step, const sandbox::ContainerSpec& failed, const sandbox::Runtime& runtime,
            Progress& progress);

 private:
  FailureShellOptions options_;
  std::once_flag once_;
};

}  // namespace dlc::cli
