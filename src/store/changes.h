#pragma once
// What an overlay upper directory changes over its parent: the list from which a layer is made. The upper itself is
// brought into line: what turns out to be no change is removed from it, so that snapshot and layer say the same.
#include <sys/stat.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "store/tree.h"

namespace dlc::store {

struct Change {
  std::string path;       ///< in the upper and the merged view; "" is the root
  bool whiteout = false;  ///< the parent has the path and it is gone
  struct stat status{};   ///< of the upper's entry
  Xattrs xattrs;
  std::string link;       ///< target of a symbolic link
  std::string hard_link;  ///< path of an earlier change that is the same file
};

/// Names (other than `path`) that the file has in the tree `lower` of the view, by that layer's index.
using OtherNames = std::function<std::vector<std::string>(std::size_t lower, const std::string& path)>;

/// Sorted: a directory before its content, whiteouts of a directory before its entries, otherwise bytewise by
/// component. `ancestors`: also every unchanged directory above a change. Nobody may change the trees meanwhile.
[[nodiscard]] std::vector<Change> find_changes(int upper, LowerView& lower, bool ancestors,
                                               const OtherNames& other_names);

}  // namespace dlc::store
