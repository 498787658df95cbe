#include "cli/repository_edit.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <set>

#include "base/files.h"
#include "base/suggest.h"
#include "buildspec/document.h"
#include "buildspec/lint.h"
#include "cli/buildspec_options.h"
#include "cli/print_out.h"

namespace dlc::cli {

namespace fs = std::filesystem;

namespace {

buildspec::ResolveOptions resolve_options(const fs::path& root, const EditOptions& options) {
  buildspec::ResolveOptions resolve;
  resolve.root = root;
  resolve.buildspecs = options.buildspecs;
  resolve.framework = options.framework;
  return resolve;
}

/// Rule and message of each finding that counts.
std::multiset<std::string> findings(const Diagnostics& diagnostics) {
  std::multiset<std::string> found;
  for (const auto& diagnostic : diagnostics.all()) {
    found.insert(diagnostic.rule + ' ' + diagnostic.message);
  }
  return found;
}

/// Prints what `dlc lint` finds after the edits and did not find before; throws where that must not be.
void compare_lint(const fs::path& staged, const EditOptions& options) {
  Diagnostics before;
  Diagnostics after;
  buildspec::lint(resolve_options(".", options), before);
  buildspec::lint(resolve_options(staged, options), after);
  auto known = findings(before);
  int fatal = 0;
  for (const auto& diagnostic : after.all()) {
    if (const auto old = known.find(diagnostic.rule + ' ' + diagnostic.message); old != known.end()) {
      known.erase(old);
    } else if (diagnostic.severity != Severity::note) {
      std::fputs(render(diagnostic).c_str(), stderr);
      fatal += diagnostic.severity == Severity::error || diagnostic.rule.starts_with("missing-") ? 1 : 0;
    }
  }
  if (fatal > 0) {
    throw Error(ErrorKind::failed, "with these edits the buildspec has new errors; nothing was written");
  }
}

}  // namespace

void add_edit_options(CLI::App& app, EditOptions& options) {
  app.add_option("--framework", options.framework, "the framework whose files are meant")->type_name("NAME");
  app.add_option("--buildspec", options.buildspecs, "only this buildspec; may repeat (default: every */buildspec*.yml)")
      ->type_name("FILE")
      ->allow_extra_args(false);
  app.add_flag("--dry-run", options.dry_run, "show the edits and check them, but write nothing");
}

buildspec::Plan plan_as_written(const fs::path& root, const EditOptions& options) {
  Diagnostics diagnostics;
  auto resolve = resolve_options(root, options);
  resolve.check_files = false;  // `compare_lint` says what is missing
  auto plan = buildspec::resolve(resolve, diagnostics);
  if (diagnostics.errors() > 0) {
    print(diagnostics, "nothing was written");
    throw Error(ErrorKind::invalid, "the buildspec has errors").hint("mend them first; dlc lint shows them all");
  }
  return plan;
}

ImageFacts facts_of(const buildspec::PlannedImage& image) {
  ImageFacts facts{{"repository", image.repository},
                   {"tag", image.stable_tag},
                   {"docker_file", image.docker_file_path},
                   {"root", image.root},
                   {"account_id", image.account_id},
                   {"region", image.region},
                   {"framework", image.framework},
                   {"version", image.version},
                   {"device_type", image.device_type},
                   {"python_version", image.python_version},
                   {"image_type", image.image_type},
                   {"image_size_baseline", std::to_string(image.image_size_baseline)},
                   {"build", image.to_build ? "true" : "false"},
                   {"target", image.target.value_or("")},
                   {"base", image.base.value_or("")},
                   {"base_image_name", image.base_image_name.value_or("")},
                   {"base_image_uri", image.base_image_uri.value_or("")},
                   {"requires", fmt::format("{}", fmt::join(image.needs, " "))}};
  for (const auto& [name, value] : image.build_args) {
    facts["build argument " + name] = value;
  }
  for (const auto& [name, value] : image.labels) {
    facts["label " + name] = value;
  }
  for (const auto& entry : image.context) {
    facts["context " + entry.target] = entry.path;
  }
  for (const auto& download : image.downloads) {
    facts["download " + download.target] = download.uri;
  }
  return facts;
}

const buildspec::PlannedImage& named_image(const buildspec::Plan& plan, const std::string& name) {
  const buildspec::PlannedImage* found = nullptr;
  std::vector<std::string> names;
  for (const auto& image : plan.images) {
    names.push_back(image.name);
    names.push_back(buildspec::short_name(image));
    if (image.name != name && names.back() != name) {
      continue;
    }
    if (found != nullptr) {
      throw Error(ErrorKind::usage, fmt::format("{} stands in {} and in {}", name, found->buildspec, image.buildspec))
          .hint("say which is meant: --buildspec " + image.buildspec);
    }
    found = &image;
  }
  if (found == nullptr) {
    const auto similar = closest(name, names);
    throw Error(ErrorKind::usage, fmt::format("no image \"{}\"", name))
        .hint(similar.empty() ? "dlc plan lists the images" : "did you mean " + similar + "?");
  }
  return *found;
}

const buildspec::Document& document_of(const buildspec::Plan& plan, const std::string& buildspec) {
  for (const auto& document : plan.documents) {
    if (document->name() == buildspec) {
      return *document;
    }
  }
  throw Error(ErrorKind::internal, "no document for " + buildspec);
}

void finish_edit(const FileEdits& edits, const EditOptions& options, const Verify& verify) {
  if (edits.empty()) {
    return;
  }
  const TemporaryDirectory staged(fs::temp_directory_path(), "dlc-edit-");
  edits.stage(staged.path());
  verify(plan_as_written(staged.path(), options));
  compare_lint(staged.path(), options);
  print_out(edits.diff());
  if (options.dry_run) {
    std::fputs("checked; nothing was written (--dry-run)\n", stderr);
    return;
  }
  edits.apply();
  std::fputs("checked and written\n", stderr);
}

}  // namespace dlc::cli
