#pragma once
// The COPY lines by which images take a file of their build context.
#include <string>
#include <vector>

#include "base/file_edits.h"
#include "buildspec/plan.h"
#include "dockerfile/dockerfile.h"

namespace dlc::cli {

struct ArtifactCopy {
  std::string name;    ///< in the context
  std::string target;  ///< the file's path in the image
  std::string mode;    ///< octal; empty: as it is
};

/// Adds the line to the Dockerfile of each of `concerned` that has none like it: once in a file, in the stage that all
/// of them have in common where one is made from the other. Throws Error(invalid) at the line where the path is made by
/// something else or the file goes elsewhere, and where an image that is not concerned has the same Dockerfile.
void add_copy_lines(FileEdits& edits, const buildspec::Plan& plan,
                    const std::vector<const buildspec::PlannedImage*>& concerned, const ArtifactCopy& artifact);

/// The file that is the image's Dockerfile, links followed: what tells whether two images share one.
[[nodiscard]] std::string docker_file_of(const buildspec::PlannedImage& image);

/// The image's Dockerfile, as edited so far. Throws Error(not_found) where the buildspec names it, where it is not
/// there.
[[nodiscard]] dockerfile::Dockerfile dockerfile_of(const FileEdits& edits, const buildspec::PlannedImage& image);
/// The stage that the image is. Throws Error(invalid) where there is no such stage.
[[nodiscard]] std::size_t stage_of(const dockerfile::Dockerfile& file, const buildspec::PlannedImage& image);

}  // namespace dlc::cli
