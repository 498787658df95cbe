#pragma once
// Runs a helper program (mmdebstrap, git, ...) and waits for it. RUN steps and containers go through `sandbox`.
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace dlc {

struct CommandOptions {
  std::vector<std::string> environment;             ///< "K=V"; empty: the caller's environment
  std::string directory;                            ///< empty: the caller's
  std::string input;                                ///< given on standard input
  std::function<void(std::string_view)> on_output;  ///< standard output and error, chunk by chunk, as they come
  /// Where it can ask for a stop: the program gets a session of its own (the terminal's Ctrl-C is ours alone to
  /// answer), and a stop request kills it and what it started, waits for the end of its output (a few seconds at most)
  /// and throws Error(cancelled).
  std::stop_token stop;
};

struct CommandResult {
  int status = 0;      ///< exit status; 128 + N where signal N ended it
  std::string output;  ///< standard output, at most 64 MiB
  std::string error;   ///< standard error, at most 64 MiB
};

/// Searches PATH for argv[0]; throws Error(not_found) where the program is missing. The child dies with the caller's
/// thread (PR_SET_PDEATHSIG).
[[nodiscard]] CommandResult run_command(const std::vector<std::string>& argv, const CommandOptions& options = {});

/// The full path of a program on PATH.
[[nodiscard]] std::optional<std::string> find_program(std::string_view name);

}  // namespace dlc
