#include "buildspec/lint.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "buildspec/document.h"
#include "buildspec/document_lint.h"
#include "buildspec/existing_files.h"
#include "buildspec/order.h"
#include "buildspec/unused_files.h"

namespace dlc::buildspec {

namespace {

constexpr auto kRules = std::to_array<LintRule>({
    {"invalid", "The buildspec can't be resolved."},
    {"nested-image", "An image stands inside another map by wrong indentation, so it does not exist."},
    {"unset-placeholder", "A placeholder <set-$NAME-in-environment> is left because the variable is not set."},
    {"float-version", "An unquoted version is read as a number: 1.10 becomes 1.1."},
    {"shared-variable", "One environment variable replaces several definitions of an anchor."},
    {"dead-build-flag", "No selection can switch this `build` flag on."},
    {"flag-mismatch", "The `build` flag's name is that of another device, image type or python."},
    {"missing-dockerfile", "A Dockerfile that an image names does not exist."},
    {"missing-artifact", "A context file that an image names does not exist."},
    {"unused-dockerfile", "No image uses this Dockerfile."},
    {"unused-artifact", "No image takes this file into its context."},
    {"duplicate-reference", "Two images have the same repository:tag."},
    {"unknown-key", "A key that nothing reads."},
    {"duplicate-key", "A key that stands twice in one map; the first value counts."},
    {"unknown-tag", "A YAML tag other than !join."},
    {"other-image", "A key of the original that asks for another image than the one that is built."},
    {"no-effect", "A key of the original that changes nothing here."},
    {"incomplete-context", "A context entry without source or target is left out."},
});

class Linter {
 public:
  Linter(const ResolveOptions& options, Diagnostics& diagnostics) : options_(options), diagnostics_(diagnostics) {
    options_.check_files = false;
  }

  void run() {
    Diagnostics found;
    const Plan plan = resolve(options_, found);
    for (const auto& document : plan.documents) {
      if (document->root() != nullptr && document->root()->kind == Kind::mapping) {
        DocumentLint(*document, options_.environment, found).run();
      }
    }
    duplicates(plan, found);
    missing_files(plan, found);
    if (found.errors() == 0 || !plan.images.empty()) {
      check_unused(options_.root, plan, options_.buildspecs.empty() ? plan : everything(plan), found);
    }
    hand_over(found);
  }

 private:
  /// Files that another buildspec uses are used.
  [[nodiscard]] Plan everything(const Plan& plan) const {
    ResolveOptions options = options_;
    options.buildspecs.clear();
    options.framework.clear();
    Plan all;
    try {
      Diagnostics ignored;
      all = resolve(options, ignored);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::usage) {
        throw;
      }
    }
    all.images.insert(all.images.end(), plan.images.begin(), plan.images.end());
    return all;
  }

  static void duplicates(const Plan& plan, Diagnostics& found) {
    std::map<std::string, const PlannedImage*> first;
    for (const auto& image : plan.images) {
      const auto reference = image.repository + ":" + image.stable_tag;
      const auto [other, is_new] = first.try_emplace(reference, &image);
      if (is_new || reference == ":") {
        continue;
      }
      const Document* document = document_of(plan, image);
      Diagnostic diagnostic;
      if (document != nullptr) {
        diagnostic = document->finding(Severity::error,
                                       {image.where.line, image.where.column, static_cast<int>(image.name.size())}, {});
      }
      diagnostic.where = image.where;
      diagnostic.message =
          fmt::format("image {} has the same repository and tag as {} ({}:{}): {}", image.name, other->second->name,
                      other->second->where.file, other->second->where.line, short_name(image));
      diagnostic.hint = "give one of them another tag";
      diagnostic.rule = "duplicate-reference";
      found.add(std::move(diagnostic));
    }
  }

  static const Document* document_of(const Plan& plan, const PlannedImage& image) {
    for (const auto& document : plan.documents) {
      if (document->name() == image.buildspec) {
        return document.get();
      }
    }
    return nullptr;
  }

  void missing_files(const Plan& plan, Diagnostics& found) const {
    Diagnostics missing;
    check_files(options_.root, plan, FilesOf::all, missing);
    for (auto diagnostic : missing.all()) {
      diagnostic.severity = Severity::error;
      found.add(std::move(diagnostic));
    }
  }

  void hand_over(const Diagnostics& found) {
    for (auto& diagnostic : in_order(found.all())) {
      diagnostics_.add(std::move(diagnostic));
    }
  }

  ResolveOptions options_;
  Diagnostics& diagnostics_;
};

}  // namespace

std::span<const LintRule> lint_rules() {
  return kRules;
}

void add_warnings(const Plan& plan, const Environment& environment, Diagnostics& diagnostics) {
  Diagnostics found;
  for (const auto& document : plan.documents) {
    if (document->root() != nullptr && document->root()->kind == Kind::mapping) {
      DocumentLint(*document, environment, found).run();
    }
  }
  for (auto diagnostic : in_order(found.all())) {
    const bool shown = diagnostic.rule == "nested-image" || diagnostic.rule == "float-version" ||
                       diagnostic.rule == "shared-variable" || diagnostic.rule == "duplicate-key" ||
                       diagnostic.rule == "other-image";
    if (shown && diagnostic.severity != Severity::note) {
      diagnostic.severity = Severity::warning;
      diagnostics.add(std::move(diagnostic));
    }
  }
}

void lint(const ResolveOptions& options, Diagnostics& diagnostics) {
  Linter(options, diagnostics).run();
}

}  // namespace dlc::buildspec
