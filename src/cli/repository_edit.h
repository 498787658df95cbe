#pragma once
// What the commands that edit buildspecs, Dockerfiles and lock files have in common: the plan of the files as they are
// written, and the way from edits in memory to files: tried in a copy of the tree, compared, shown, written.
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/file_edits.h"
#include "buildspec/plan.h"

namespace CLI {  // NOLINT(readability-identifier-naming): the library's name
class App;
}

namespace dlc::cli {

/// Where the options' values land; must outlive the parsing.
struct EditOptions {
  std::string framework;
  std::vector<std::string> buildspecs;
  bool dry_run = false;
};

void add_edit_options(CLI::App& app, EditOptions& options);

/// The plan below `root` without the environment: an edit concerns the files as they are written. Findings that are
/// errors are printed; then Error(invalid) is thrown.
[[nodiscard]] buildspec::Plan plan_as_written(const std::filesystem::path& root, const EditOptions& options);

/// What an image resolves to, by names: "tag", "build argument X", "context requirements.txt".
using ImageFacts = std::map<std::string, std::string>;
[[nodiscard]] ImageFacts facts_of(const buildspec::PlannedImage& image);

/// The image of the plan by its key or by its name in the store. Throws Error(usage) with a "did you mean", or where
/// several buildspecs have one of that key.
[[nodiscard]] const buildspec::PlannedImage& named_image(const buildspec::Plan& plan, const std::string& name);

/// The document that an image stands in.
[[nodiscard]] const buildspec::Document& document_of(const buildspec::Plan& plan, const std::string& buildspec);

/// Throws Error(failed) where the new plan is not what was meant.
using Verify = std::function<void(const buildspec::Plan& after)>;

/// Tries the edits in a copy of the tree: the plan must resolve and please `verify`, and the rules of `dlc lint` must
/// find no error and no missing file that was not there before. Prints the diff; then writes, but not in a dry run.
void finish_edit(const FileEdits& edits, const EditOptions& options, const Verify& verify);

}  // namespace dlc::cli
