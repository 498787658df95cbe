#pragma once
// What the sources of a COPY or ADD name in a tree: patterns expanded, links at the top followed.
#include <string>
#include <vector>

#include "base/error.h"
#include "build/graph.h"
#include "build/tree.h"

namespace dlc::build {

struct Selected {
  std::string path;           ///< in the tree, links resolved
  std::string name;           ///< as matched: its last component names the copy in a destination directory
  bool with_parents = false;  ///< --parents: the copy goes below the destination, to `parent`
  std::string parent;         ///< directories between the pivot and the source; made as they are there
  std::string pivot;          ///< where `parent` begins in the tree
  Node node;
};

/// Expands one source; a wildcard that matches nothing gives nothing (as BuildKit). Error(not_found) in BuildKit's
/// words for a plain name that is missing and for a dangling link, Error(invalid) for a bad pattern.
[[nodiscard]] std::vector<Selected> select(const Tree& tree, const CopySource& source, bool parents);

/// The error for a source that is not there, in the words that users of BuildKit look for.
[[nodiscard]] Error not_found(const Tree& tree, const std::string& path);

}  // namespace dlc::build
