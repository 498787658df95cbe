#include "cli/lint_command.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "buildspec/lint.h"
#include "cli/buildspec_options.h"
#include "cli/parse.h"
#include "cli/version.h"

namespace dlc::cli {

namespace {

/// The findings are the result, so they go to standard output.
std::string as_text(const Diagnostics& found, bool notes) {
  std::string text;
  int hidden = 0;
  for (const auto& diagnostic : found.all()) {
    if (diagnostic.severity == Severity::note && !notes) {
      ++hidden;
    } else {
      text += render(diagnostic);
    }
  }
  text += fmt::format("{}, {}", count(found.errors(), "error"), count(found.warnings(), "warning"));
  return text + (hidden > 0 ? fmt::format(" ({} with --notes)\n", count(hidden, "note")) : "\n");
}

}  // namespace

int run_lint(std::span<const std::string> arguments, const GlobalOptions& /*global*/) {
  CLI::App app("Look for mistakes in buildspecs.", "dlc lint");
  BuildspecOptions options;
  std::string output = "text";
  bool strict = false;
  bool notes = false;
  bool rules = false;
  add_buildspec_options(app, options);
  app.add_option("--output", output, "text, json or sarif")->check(CLI::IsMember({"text", "json", "sarif"}));
  app.add_flag("--strict", strict, "exit status 1 for warnings too");
  app.add_flag("--notes", notes, "print notes too (json and sarif always hold them)");
  app.add_flag("--rules", rules, "list the rules");
  if (!parse(app, arguments)) {
    return 0;
  }
  std::string text;
  Diagnostics found;
  if (rules) {
    for (const auto& rule : buildspec::lint_rules()) {
      text += fmt::format("{:<20} {}\n", rule.name, rule.summary);
    }
  } else {
    options.finish();
    buildspec::lint(options.resolve, found);
    text = output == "json"    ? buildspec::to_json(found)
           : output == "sarif" ? buildspec::to_sarif(found, kVersion)
                               : as_text(found, notes);
  }
  std::fwrite(text.data(), 1, text.size(), stdout);
  return found.errors() > 0 || (strict && found.warnings() > 0) ? 1 : 0;
}

}  // namespace dlc::cli
