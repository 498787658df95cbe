#pragma once
// What a command is. Each command is one file of this folder; commands.cpp lists them all.
#include <span>
#include <string>

namespace dlc::cli {

/// Options that may stand before (or after) the command. Option over DLC_* variable; empty: not given.
struct GlobalOptions {
  std::string store;    ///< --store, DLC_STORE
  std::string runtime;  ///< --runtime, DLC_RUNTIME
  std::string config;   ///< --config, DLC_CONFIG
  bool debug = false;   ///< --debug, DLC_DEBUG
};

struct Command {
  const char* name;     ///< as typed; two words for a group: "image ls"
  const char* summary;  ///< one line of `dlc --help`
  const char* group;    ///< heading in `dlc --help`
  /// `arguments`: what follows the name. Returns the exit status; throws dlc::Error.
  int (*run)(std::span<const std::string> arguments, const GlobalOptions& global);
};

/// All commands, in the order of `dlc --help`.
[[nodiscard]] std::span<const Command> commands();

}  // namespace dlc::cli
