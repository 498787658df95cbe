#include "cli/parse.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <vector>

#include "base/error.h"
#include "base/suggest.h"

namespace dlc::cli {

namespace {

/// The first argument that is no option of `app` and no option's value.
Error unexpected(const CLI::App& app, std::span<const std::string> arguments) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const auto& name : option->get_lnames()) {
      names.push_back("--" + name);
    }
  }
  const auto remaining = app.remaining();
  const auto is_extra = [&](const std::string& argument) {
    return std::find(remaining.begin(), remaining.end(), argument) != remaining.end();
  };
  const auto found = std::find_if(arguments.begin(), arguments.end(), is_extra);
  const std::string argument = found != arguments.end() ? *found : "";
  const auto similar = argument.starts_with("-") ? closest(argument.substr(0, argument.find('=')), names) : "";
  return Error(ErrorKind::usage, (argument.starts_with("-") ? "unknown option: " : "unexpected argument: ") + argument)
      .hint(similar.empty() ? app.get_name() + " --help lists the options" : "did you mean " + similar + "?");
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
  } catch (const CLI::ExtrasError&) {
    throw unexpected(app, arguments);
  } catch (const CLI::ArgumentMismatch& error) {
    const std::string text = error.what();
    throw Error(ErrorKind::usage, text.substr(0, text.find(':')) + " needs a value")
        .hint(app.get_name() + " --help lists the options");
  } catch (const CLI::ConversionError& error) {
    // "Could not convert: --jobs = x": all options of ours that convert take numbers
    const std::string text = error.what();
    const auto colon = text.find(": ");
    auto option = colon == std::string::npos ? text : text.substr(colon + 2);
    if (const auto equals = option.find(" = "); equals != std::string::npos) {
      option.replace(equals, 3, ": not a number that it takes: ");
    }
    throw Error(ErrorKind::usage, option).hint(app.get_name() + " --help lists the options");
  } catch (const CLI::ParseError& error) {
    throw Error(ErrorKind::usage, error.what()).hint(app.get_name() + " --help lists the options");
  }
  return true;
}

}  // namespace dlc::cli
