#include "cli/login_command.h"

#include <fmt/format.h>
#include <termios.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>

#include "base/error.h"
#include "cli/image_lookup.h"
#include "cli/interrupt.h"
#include "cli/parse.h"
#include "cli/print_out.h"
#include "oci/reference.h"
#include "registry/credentials.h"
#include "registry/login.h"

namespace dlc::cli {

namespace {

/// While it lives, the terminal does not show what is typed.
class HiddenInput {
 public:
  HiddenInput() {
    if (::tcgetattr(STDIN_FILENO, &before_) == 0) {
      auto hidden = before_;
      hidden.c_lflag &= ~static_cast<tcflag_t>(ECHO);
      changed_ = ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden) == 0;
    }
  }
  HiddenInput(const HiddenInput&) = delete;
  HiddenInput& operator=(const HiddenInput&) = delete;
  ~HiddenInput() {
    if (changed_) {
      ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
      std::fputc('\n', stderr);
    }
  }

 private:
  termios before_{};
  bool changed_ = false;
};

std::string read_line() {
  std::string line;
  std::getline(std::cin, line);
  if (!line.empty() && line.back() == '\r') {
    line.pop_back();
  }
  return line;
}

std::string ask_password(bool from_input) {
  if (from_input) {
    return read_line();
  }
  if (::isatty(STDIN_FILENO) != 1) {
    throw Error(ErrorKind::usage, "no terminal to ask for the password on").hint("give it with --password-stdin");
  }
  std::fputs("Password: ", stderr);
  const HiddenInput hidden;
  return read_line();
}

/// The registry as references name it; "docker.io" without an argument.
std::string registry_of(const std::string& argument) {
  if (argument.empty()) {
    return "docker.io";
  }
  const auto reference = oci::parse_reference(argument + "/x");
  if (reference.path != "x" && reference.path != "library/x") {
    throw Error(ErrorKind::usage, fmt::format("\"{}\" is no registry", argument)).hint("expected host or host:port");
  }
  return reference.registry;
}

}  // namespace

int run_login(std::span<const std::string> arguments, const GlobalOptions& /*global*/) {
  CLI::App app("Keep user and password for a registry, where Docker keeps them.", "dlc login");
  std::string argument;
  std::string user;
  bool from_input = false;
  app.add_option("REGISTRY", argument, "host or host:port; docker.io without it");
  app.add_option("-u,--username", user, "user");
  app.add_flag("--password-stdin", from_input, "read the password from standard input");
  if (!parse(app, arguments)) {
    return 0;
  }
  const auto registry = registry_of(argument);
  if (user.empty()) {
    if (from_input || ::isatty(STDIN_FILENO) != 1) {
      throw Error(ErrorKind::usage, "no user").hint("give it with --username");
    }
    std::fprintf(stderr, "User for %s: ", registry.c_str());
    user = read_line();
  }
  const auto password = ask_password(from_input);
  if (user.empty() || password.empty() || user.find(':') != std::string::npos) {
    throw Error(ErrorKind::usage, "user or password is empty, or the user holds a colon");
  }
  const Interrupt interrupt;
  registry::check_login(registry, user, password, {}, interrupt.token());
  const auto place = registry::store_login(registry::docker_config_directory(), registry, user, password);
  print_out(fmt::format("logged in to {} as {}; kept in {}\n", registry, user, place));
  return 0;
}

int run_logout(std::span<const std::string> arguments, const GlobalOptions& /*global*/) {
  CLI::App app("Forget user and password for a registry.", "dlc logout");
  std::string argument;
  app.add_option("REGISTRY", argument, "host or host:port; docker.io without it");
  if (!parse(app, arguments)) {
    return 0;
  }
  const auto registry = registry_of(argument);
  const bool known = registry::remove_login(registry::docker_config_directory(), registry);
  print_out(fmt::format("{} {}\n", known ? "logged out of" : "there was no login to", registry));
  return 0;
}

}  // namespace dlc::cli
