#include "cli/repository_edit.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <set>

#include "base/files.h"
#include "base/held_signals.h"
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

buildspec::Plan resolve_as_written(const fs::path& root, const EditOptions& options, Diagnostics& diagnostics) {
  auto resolve = resolve_options(root, options);
  resolve.check_files = false;  // `compare_lint` says what is missing
  return buildspec::resolve(resolve, diagnostics);
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

fs::path temporary_parent() {
  std::error_code error;
  auto directory = fs::temp_directory_path(error);
  if (error) {
    const char* named = std::getenv("TMPDIR");
    throw Error(ErrorKind::failed, fmt::format("no directory for temporary files: {}: {}",
                                               named != nullptr ? named : "/tmp", error.message()))
        .hint("make it, or set TMPDIR to another one");
  }
  return directory;
}

/// The plan with the edits. An error in them is told at a line that the user has: the form that stands there is one
/// that the edit cannot serve.
buildspec::Plan edited_plan(const FileEdits& edits, const fs::path& staged, const EditOptions& options) {
  Diagnostics diagnostics;
  auto plan = resolve_as_written(staged, options, diagnostics);
  if (diagnostics.errors() == 0) {
    return plan;
  }
  const auto first = std::ranges::find(diagnostics.all(), Severity::error, &Diagnostic::severity);
  throw Error(ErrorKind::invalid,
              "what stands here can't be edited by this command: the result would have an error: " + first->message)
      .at(edits.first_place())
      .excerpt(edits.diff())
      .hint("write it as `KEY:` with one `key: value` a line below it, or make the edit by hand");
}

void try_in_copy(const FileEdits& edits, const EditOptions& options, const Verify& verify) {
  const TemporaryDirectory staged(temporary_parent(), "dlc-edit-");
  edits.stage(staged.path());
  verify(edited_plan(edits, staged.path(), options));
  compare_lint(staged.path(), options);
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
  auto plan = resolve_as_written(root, options, diagnostics);
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
  const HeldSignals held;  // until all is written, and nothing lies about
  try_in_copy(edits, options, verify);
  print_out(edits.diff());
  if (options.dry_run) {
    std::fputs("checked; nothing was written (--dry-run)\n", stderr);
    return;
  }
  if (held.pending()) {
    throw Error(ErrorKind::cancelled, "interrupted; nothing was written");
  }
  edits.apply();
  std::fputs("checked and written\n", stderr);
}

}  // namespace dlc::cli
