#include "cli/plan_requirements.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/files.h"
#include "base/suggest.h"
#include "build/requirements.h"
#include "buildspec/document.h"

namespace dlc::cli {

namespace {

Diagnostic undefined(const buildspec::Plan& plan, const buildspec::PlannedImage& image, const std::string& need,
                     const std::string& file, const std::vector<build::Requirement>& known) {
  std::vector<std::string> names;
  for (const auto& requirement : known) {
    names.push_back(requirement.name);
  }
  const auto similar = closest(need, names);
  Diagnostic finding;
  finding.where = image.needs_where;
  finding.message =
      fmt::format("{} requires {}, which {}", image.name, need,
                  file.empty() ? "is defined nowhere: there is no base/requirements.toml" : file + " does not define");
  finding.hint = similar.empty()
                     ? fmt::format("define it: [[requirement]] with name = \"{}\" and a url or a command", need)
                     : "did you mean " + similar + "?";
  finding.rule = "undefined-requirement";
  for (const auto& document : plan.documents) {
    if (document->name() == finding.where.file) {
      finding.line = std::string(document->line(finding.where.line));
    }
  }
  finding.width = static_cast<int>(std::string_view("requires").size());
  return finding;
}

}  // namespace

void probe_requirements(buildspec::Plan& plan, const std::filesystem::path& root, Diagnostics& diagnostics,
                        const std::stop_token& stop) {
  std::set<std::string> names;
  for (const auto& image : plan.images) {
    if (image.to_build) {
      names.insert(image.needs.begin(), image.needs.end());
    }
  }
  if (names.empty()) {
    return;
  }
  const auto file = build::find_requirements_file(root);
  constexpr std::uint64_t kLimit = 1 << 20;
  const auto known =
      file.empty() ? std::vector<build::Requirement>() : build::parse_requirements(read_file(file, kLimit), file);
  const auto errors = diagnostics.errors();
  for (const auto& image : plan.images) {
    for (const auto& need : image.to_build ? image.needs : std::vector<std::string>()) {
      if (std::ranges::find(known, need, &build::Requirement::name) == known.end()) {
        diagnostics.add(undefined(plan, image, need, file, known));
      }
    }
  }
  if (diagnostics.errors() == errors) {
    buildspec::leave_out(plan, build::unmet_requirements(names, known, stop));
  }
}

std::string left_out_text(const buildspec::Plan& plan) {
  std::string text;
  for (const auto& image : plan.images) {
    text += image.left_out ? fmt::format("{}: {} is left out: {}\n", image.buildspec, image.name, *image.left_out) : "";
  }
  return text;
}

}  // namespace dlc::cli
