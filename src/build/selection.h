#pragma once
// What the sources of a COPY or ADD name in a tree: patterns expanded, links at the top followed.
#include <string>
#include <vector>

#include "build/graph.h"
#include "build/tree.h"

namespace dlc::build {

struct Selected {
  std::string path;    ///< in the tree, links resolved
  std::string name;    ///< as matched: its last component names the copy in a destination directory
  std::string parent;  ///< --parents: directory below the destination that the copy goes to
  Node node;
};

/// Expands one source; a wildcard that matches nothing gives nothing (as BuildKit). Error(not_found) in BuildKit's
/// words for a plain name that is missing and for a dangling link, Error(invalid) for a bad pattern.
[[nodiscard]] std::vector<Selected> select(const Tree& tree, const CopySource& source, bool parents);

}  // namespace dlc::build
