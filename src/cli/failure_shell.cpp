#include "cli/failure_shell.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

#include "base/error.h"

namespace dlc::cli {

namespace {

constexpr int kNotFound = 127;

void tell(const std::string& text) {
  std::fputs(text.c_str(), stderr);
}

/// bash where the image has one.
std::vector<std::string> shell_argv(const std::string& command) {
  if (!command.empty()) {
    return {"/bin/sh", "-c", command};
  }
  return {"/bin/sh", "-c", "[ -x /bin/bash ] && exec /bin/bash; exec /bin/sh"};
}

}  // namespace

FailureShellOptions parse_failure_shell(std::string_view text) {
  constexpr std::string_view kShell = "shell";
  FailureShellOptions options;
  const bool has_command = text.starts_with("shell=") && text.size() > kShell.size() + 1;
  if (text != kShell && !has_command) {
    throw Error(ErrorKind::usage, fmt::format("--on-failure {} is not known", text)).hint("shell or shell=COMMAND");
  }
  if (has_command) {
    options.command = text.substr(kShell.size() + 1);
  } else if (::isatty(STDIN_FILENO) == 0 || ::isatty(STDOUT_FILENO) == 0) {
    throw Error(ErrorKind::usage, "--on-failure shell needs a terminal, and there is none here")
        .hint("--on-failure shell=COMMAND runs a command there instead");
  }
  return options;
}

void FailureShell::open(const std::string& step, const sandbox::ContainerSpec& failed, const sandbox::Runtime& runtime,
                        Progress& progress) {
  std::call_once(once_, [&] {
    progress.close();
    auto spec = failed;
    spec.argv = shell_argv(options_.command);
    spec.inherit_output = true;
    spec.terminal = options_.command.empty();
    spec.interactive = spec.terminal;
    if (spec.terminal) {
      spec.env.emplace_back("TERM=xterm");
      tell(fmt::format("\n{} failed. A shell with what the step had; exit ends it, and the build:\n", step));
    } else {
      tell(fmt::format("\n{} failed. {}:\n", step, options_.command));
    }
    const auto result =
        sandbox::run_container(runtime, spec, [](LogStream, std::string_view text) { tell(std::string(text)); }, {});
    if (result.status == kNotFound && spec.terminal) {
      tell("the image has no /bin/sh\n");
    }
  });
}

}  // namespace dlc::cli
