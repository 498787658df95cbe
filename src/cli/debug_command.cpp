#include "cli/debug_command.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>
#include <optional>

#include "base/error.h"
#include "base/files.h"
#include "cli/parse.h"
#include "dockerfile/dockerfile.h"
#include "dockerfile/word.h"

namespace dlc::cli {

namespace {

constexpr std::uint64_t kLargestFile = 16U << 20U;

void print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
}

}  // namespace

int run_debug_parse_dockerfile(std::span<const std::string> arguments, const GlobalOptions& /*global*/) {
  CLI::App app("Print a Dockerfile as it is read.", "dlc debug parse-dockerfile");
  std::string path;
  bool sexpr = false;
  app.add_flag("--sexpr", sexpr, "one line for each instruction: (instruction flags arguments)");
  app.add_option("FILE", path, "the Dockerfile")->required();
  if (!parse(app, arguments)) {
    return 0;
  }
  const auto text = read_file(path, kLargestFile);
  if (sexpr) {
    print(dockerfile::to_sexpr(dockerfile::read_syntax(text, path)));
    return 0;
  }
  Diagnostics diagnostics;
  const auto file = dockerfile::parse(text, path, diagnostics);
  std::string summary;
  for (const auto& stage : file.stages) {
    summary += std::to_string(stage.node.lines.first) + ": FROM " + stage.from.image +
               (stage.from.name.empty() ? "" : " AS " + stage.from.name) + ", " +
               std::to_string(stage.instructions.size()) + " instructions\n";
  }
  for (const auto& diagnostic : diagnostics.all()) {
    summary += render(diagnostic);
  }
  print(summary);
  return 0;
}

int run_debug_expand_word(std::span<const std::string> arguments, const GlobalOptions& /*global*/) {
  CLI::App app("Expand one word as an instruction does.", "dlc debug expand-word");
  std::string word;
  std::string escape = "\\";
  std::vector<std::string> variables;
  bool words = false;
  app.add_option("--escape", escape, "the escape character, \\ or `");
  app.add_option("--env", variables, "NAME=VALUE, a variable that is set; may repeat")->allow_extra_args(false);
  app.add_flag("--words", words, "print each resulting word on a line of its own");
  app.add_option("WORD", word, "the word, after --")->required();
  if (!parse(app, arguments)) {
    return 0;
  }
  if (escape.size() != 1) {
    throw Error(ErrorKind::usage, "--escape takes one character");
  }
  std::map<std::string, std::string, std::less<>> values;
  for (const auto& variable : variables) {
    const auto equals = variable.find('=');
    if (equals == std::string::npos) {
      throw Error(ErrorKind::usage, "--env " + variable + " has no value").hint("write --env " + variable + "=VALUE");
    }
    values[variable.substr(0, equals)] = variable.substr(equals + 1);
  }
  const auto lookup = [&values](std::string_view name) {
    const auto found = values.find(name);
    return found == values.end() ? std::optional<std::string>() : found->second;
  };
  const auto expanded = dockerfile::expand(word, lookup, {.escape = escape.front()});
  if (!words) {
    print(expanded.text + "\n");
    return 0;
  }
  for (const auto& one : expanded.words) {
    print(one + "\n");
  }
  return 0;
}

}  // namespace dlc::cli
