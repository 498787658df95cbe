#include "cli/parse.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <vector>

#include "base/error.h"
#include "base/suggest.h"

namespace dlc::cli {

namespace {

std::string unknown_option_hint(const CLI::App& app, std::span<const std::string> arguments) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const auto& name : option->get_lnames()) {
      names.push_back("--" + name);
    }
  }
  for (const auto& argument : arguments) {
    const auto name = argument.substr(0, argument.find('='));
    if (!name.starts_with("--") || std::find(names.begin(), names.end(), name) != names.end()) {
      continue;
    }
    if (const auto similar = closest(name, names); !similar.empty()) {
      return "did you mean " + similar + "?";
    }
  }
  return app.get_name() + " --help lists the options";
}

}  // namespace

bool parse(CLI::App& app, std::span<const std::string> arguments) {
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());  // CLI11 takes them from the back
  try {
    app.parse(std::move(reversed));
  } catch (const CLI::CallForHelp&) {
    const auto text = app.help();
    std::fwrite(text.data(), 1, text.size(), stdout);
    return false;
  } catch (const CLI::ExtrasError& error) {
    throw Error(ErrorKind::usage, error.what()).hint(unknown_option_hint(app, arguments));
  } catch (const CLI::ParseError& error) {
    throw Error(ErrorKind::usage, error.what()).hint(app.get_name() + " --help lists the options");
  }
  return true;
}

}  // namespace dlc::cli
