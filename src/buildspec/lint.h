#pragma once
// Findings about buildspecs that resolve but most likely do not mean what they say. Rules: docs/formats/lint.md.
#include <span>
#include <string>

#include "buildspec/plan.h"

namespace dlc::buildspec {

struct LintRule {
  const char* name;
  const char* summary;
};

[[nodiscard]] std::span<const LintRule> lint_rules();

/// All findings about the buildspecs of `options`, also those of resolving them, sorted by place. Unused files are
/// looked for below the directories that the images name; every */buildspec*.yml of the root counts as a user of them.
/// Throws as `resolve` does.
void lint(const ResolveOptions& options, Diagnostics& diagnostics);

/// The findings that `plan` and `build` show too, as warnings, because the result is not what the file seems to say:
/// images that do not exist by wrong indentation, versions read as numbers, variables that replace several anchors.
void add_warnings(const Plan& plan, const Environment& environment, Diagnostics& diagnostics);

/// The documented JSON of `dlc lint --output json`, ending in a newline.
[[nodiscard]] std::string to_json(const Diagnostics& diagnostics);
/// SARIF 2.1.0 with relative URIs, ending in a newline.
[[nodiscard]] std::string to_sarif(const Diagnostics& diagnostics, std::string_view program_version);

}  // namespace dlc::buildspec
