#include "cli/dispatch.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "base/lines.h"
#include "base/printable.h"
#include "base/suggest.h"
#include "cli/command.h"
#include "cli/version.h"

namespace dlc::cli {

namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

struct GlobalOption {
  const char* name;
  const char* summary;
  std::string GlobalOptions::* value;
};
constexpr GlobalOption kGlobalOptions[] = {
    {"--store", "DIR   where images are kept (DLC_STORE)", &GlobalOptions::store},
    {"--runtime", "NAME  crun or runc (DLC_RUNTIME)", &GlobalOptions::runtime},
    {"--config", "FILE  configuration file (DLC_CONFIG)", &GlobalOptions::config},
};

std::string help() {
  std::string text = "Usage: dlc [GLOBAL OPTIONS] COMMAND [OPTIONS]\n\nBuild, test and publish deep-learning images.\n";
  std::string group;
  std::size_t width = 0;
  for (const auto& command : commands()) {
    width = std::max(width, std::string_view(command.name).size());
  }
  for (const auto& command : commands()) {
    if (group != command.group) {
      group = command.group;
      text += fmt::format("\n{}:\n", group);
    }
    text += fmt::format("  {:<{}}  {}\n", command.name, width, command.summary);
  }
  text += "\nGlobal options, before the command:\n";
  for (const auto& option : kGlobalOptions) {
    text += fmt::format("  {:<10}{}\n", option.name, option.summary);
  }
  text +=
      "  --debug         more about what happens and why (DLC_DEBUG)\n  --version\n\ndlc COMMAND --help says more "
      "about a command.\n";
  return text;
}

/// Takes one global option with its value off the front; false where there is none.
bool take_global(std::span<const std::string>& arguments, GlobalOptions& global) {
  const std::string& first = arguments.front();
  if (first == "--debug") {
    global.debug = true;
    arguments = arguments.subspan(1);
    return true;
  }
  for (const auto& option : kGlobalOptions) {
    const std::string name(option.name);
    if (first.starts_with(name + "=")) {
      global.*option.value = first.substr(name.size() + 1);
      arguments = arguments.subspan(1);
      return true;
    }
    if (first == name) {
      if (arguments.size() < 2) {
        throw Error(ErrorKind::usage, name + " needs a value");
      }
      global.*option.value = arguments[1];
      arguments = arguments.subspan(2);
      return true;
    }
  }
  return false;
}

/// The command with the longest name that the arguments begin with.
const Command* find_command(std::span<const std::string> arguments, std::size_t& words) {
  const Command* found = nullptr;
  words = 0;
  for (const auto& command : commands()) {
    const std::string_view name(command.name);
    const auto blank = name.find(' ');
    const bool two = blank != std::string_view::npos;
    const bool matches = arguments[0] == name.substr(0, blank) &&
                         (!two || (arguments.size() > 1 && arguments[1] == name.substr(blank + 1)));
    if (matches && (two ? 2U : 1U) > words) {
      words = two ? 2 : 1;
      found = &command;
    }
  }
  return found;
}

/// What `dlc image --help` shows; empty where no command begins with the word.
std::string group_help(const std::string& word) {
  std::string text;
  for (const auto& command : commands()) {
    if (std::string_view(command.name).starts_with(word + " ")) {
      text += fmt::format("  {:<20}  {}\n", command.name, command.summary);
    }
  }
  return text.empty() ? text : fmt::format("Commands:\n{}\ndlc {} COMMAND --help says more about one.\n", text, word);
}

Error unknown_command(std::span<const std::string> arguments) {
  std::vector<std::string> names;
  std::vector<std::string> members;
  for (const auto& command : commands()) {
    const std::string name(command.name);
    names.push_back(name.substr(0, name.find(' ')));
    if (name.starts_with(arguments[0] + " ")) {
      members.push_back(name.substr(arguments[0].size() + 1));
    }
  }
  if (!members.empty()) {
    std::string list;
    for (const auto& member : members) {
      list += (list.empty() ? "" : ", ") + member;
    }
    const auto similar = arguments.size() > 1 ? closest(arguments[1], members) : "";
    const auto message = arguments.size() > 1 ? fmt::format("unknown command: {} {}", arguments[0], arguments[1])
                                              : fmt::format("{} needs a command", arguments[0]);
    return Error(ErrorKind::usage, message)
        .hint(similar.empty() ? "one of: " + list : fmt::format("did you mean {} {}?", arguments[0], similar));
  }
  const bool option = arguments[0].starts_with("-");
  const auto similar = closest(arguments[0], names);
  return Error(ErrorKind::usage, fmt::format("unknown {}: {}", option ? "option" : "command", arguments[0]))
      .hint(similar.empty() ? "dlc --help lists the commands" : fmt::format("did you mean {}?", similar));
}

}  // namespace

int dispatch(std::span<const std::string> arguments) {
  GlobalOptions global{variable("DLC_STORE"), variable("DLC_RUNTIME"), variable("DLC_CONFIG"),
                       !variable("DLC_DEBUG").empty() && variable("DLC_DEBUG") != "0"};
  while (!arguments.empty() && take_global(arguments, global)) {
  }
  if (arguments.empty()) {
    const auto text = help();
    std::fwrite(text.data(), 1, text.size(), stderr);
    return exit_status(ErrorKind::usage);
  }
  if (arguments[0] == "--help" || arguments[0] == "-h" || arguments[0] == "help") {
    const auto text = help();
    std::fwrite(text.data(), 1, text.size(), stdout);
    return 0;
  }
  if (arguments[0] == "--version") {
    std::printf("dlc %s\n", kVersion);
    return 0;
  }
  std::size_t words = 0;
  const Command* command = find_command(arguments, words);
  if (command == nullptr) {
    const bool asks = arguments.size() > 1 && (arguments[1] == "--help" || arguments[1] == "-h");
    if (const auto text = asks ? group_help(arguments[0]) : std::string(); !text.empty()) {
      std::fwrite(text.data(), 1, text.size(), stdout);
      return 0;
    }
    throw unknown_command(arguments);
  }
  return command->run(arguments.subspan(words), global);
}

namespace {

/// A message may quote an image or an archive; its own lines stay.
std::string printable_lines(std::string_view text) {
  std::string result;
  for (const auto line : split_lines(text)) {
    result += printable(line) + "\n";
  }
  result.resize(result.size() - (result.empty() ? 0 : 1));
  return result;
}

}  // namespace

std::string render(const Error& error) {
  const auto& where = error.where();
  std::string place = where.file.empty() ? "dlc" : where.file;
  if (where.line > 0) {
    place += fmt::format(":{}", where.line);
    place += where.column > 0 ? fmt::format(":{}", where.column) : "";
  }
  std::string text = fmt::format("{}: error: {}\n", place, printable_lines(error.what()));
  if (!error.excerpt().empty()) {
    text += error.excerpt();
    text += error.excerpt().ends_with("\n") ? "" : "\n";
  }
  if (!error.hint().empty()) {
    text += fmt::format("  {}\n", error.hint());
  }
  return text;
}

}  // namespace dlc::cli
