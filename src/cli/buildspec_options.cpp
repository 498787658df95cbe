#include "cli/buildspec_options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>

#include "base/files.h"
#include "base/lines.h"

namespace dlc::cli {

namespace {

CLI::Option* add_list(CLI::App& app, const std::string& names, std::vector<std::string>& values,
                      const std::string& help) {
  return app.add_option(names, values, help)->delimiter(',')->allow_extra_args(false)->type_name("LIST");
}

/// Each line that is not empty, without blanks at its end.
std::vector<std::string> paths_of(const std::string& text) {
  std::vector<std::string> paths;
  for (const auto line : split_lines(text)) {
    if (const auto size = line.find_last_not_of("\r ") + 1; size > 0) {
      paths.emplace_back(line.substr(0, size));
    }
  }
  return paths;
}

}  // namespace

void add_buildspec_options(CLI::App& app, BuildspecOptions& options) {
  auto& resolve = options.resolve;
  app.add_option("--buildspec", resolve.buildspecs, "buildspec file; may repeat (default: every */buildspec*.yml)")
      ->type_name("FILE")
      ->allow_extra_args(false);
  app.add_option("--framework", resolve.framework, "only this framework (default: each file's own)")->type_name("NAME");
  add_list(app, "--image_types,--image-types", resolve.image_types, "training,inference (default: all)");
  add_list(app, "--device_types,--device-types", resolve.device_types, "cpu,gpu,... (default: all)");
  add_list(app, "--py_versions,--py-versions", resolve.py_versions, "py2,py3,py36 (default: all)");
  app.add_option("--changed-files,--changed_files", options.changed_files,
                 "paths that a pull request changes, one a line: choose what they concern (BUILD_CONTEXT=PR)")
      ->type_name("FILE");
}

namespace {

/// What is given and does nothing must be said.
void note_what_does_not_count(const BuildspecOptions& options) {
  const auto& environment = options.resolve.environment;
  const auto found = environment.find("BUILD_CONTEXT");
  const auto context = found == environment.end() ? std::string("DEV") : found->second;
  const bool known = context.empty() || context == "DEV" || context == "PR" || context == "MAINLINE" ||
                     context == "NIGHTLY" || context == "CANARY";
  std::string text;
  if (!known) {
    text += fmt::format("note: BUILD_CONTEXT={} is not known (DEV, PR, MAINLINE, NIGHTLY): names are those of DEV\n",
                        context);
  }
  if (!options.changed_files.empty() && context != "PR") {
    text += "note: --changed-files chooses nothing here: it counts where BUILD_CONTEXT is PR\n";
  }
  std::fwrite(text.data(), 1, text.size(), stderr);
}

}  // namespace

void BuildspecOptions::finish() {
  for (auto* values : {&resolve.image_types, &resolve.device_types, &resolve.py_versions}) {
    std::erase(*values, "");
  }
  resolve.environment = buildspec::process_environment();
  resolve.now =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  if (!changed_files.empty()) {
    constexpr std::uint64_t kLimit = 16 << 20;
    if (!std::filesystem::exists(changed_files)) {
      throw Error(ErrorKind::usage, "--changed-files: no such file: " + changed_files)
          .hint("write one with: git diff --name-only main > " + changed_files);
    }
    resolve.changed_files = paths_of(read_file(changed_files, kLimit));
  }
  note_what_does_not_count(*this);
}

std::string count(int number, const std::string& noun) {
  return fmt::format("{} {}{}", number, noun, number == 1 ? "" : "s");
}

void print(const Diagnostics& diagnostics, const std::string& outcome) {
  std::string text;
  for (const auto& diagnostic : diagnostics.all()) {
    text += render(diagnostic);
  }
  if (diagnostics.errors() > 0) {
    text += count(diagnostics.errors(), "error");
    if (diagnostics.warnings() > 0) {
      text += ", " + count(diagnostics.warnings(), "warning");
    }
    text += "; " + outcome + "\n";
  }
  std::fwrite(text.data(), 1, text.size(), stderr);
}

}  // namespace dlc::cli
