// The table of commands: a new command is one line here.
#include <array>

#include "cli/command.h"
#include "cli/lint_command.h"
#include "cli/plan_command.h"

namespace dlc::cli {

namespace {

constexpr const char* kBuildspecs = "Buildspecs";

constexpr std::array kCommands{
    Command{"plan", "print what the buildspecs resolve to", kBuildspecs, run_plan},
    Command{"lint", "look for mistakes in buildspecs", kBuildspecs, run_lint},
};

}  // namespace

std::span<const Command> commands() {
  return kCommands;
}

}  // namespace dlc::cli
