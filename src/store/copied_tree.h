#pragma once
// A merged file system made by copying, where the store's file system carries no overlay, and what was changed in it
// afterwards: taken by comparing with what was copied, without reading any file. docs/engine.md, "Snapshots and
// layers".
#include <ctime>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "store/tree.h"

namespace dlc::store {

class CopiedTree {
 public:
  enum class Use {
    read,   ///< nothing will be changed: files are links to those of the lowers, where they can be
    write,  ///< shared extents where the file system can, else copies
  };
  /// Fills `directory` (empty) with what `lowers` (topmost first) show. To write, each name is a file of its own, so
  /// that changing one changes no other, as an overlay has it; returns when later changes have a later ctime.
  CopiedTree(const std::vector<std::filesystem::path>& lowers, SnapshotMode mode, std::filesystem::path directory,
             Use use);
  CopiedTree(const CopiedTree&) = delete;
  CopiedTree& operator=(const CopiedTree&) = delete;
  ~CopiedTree();

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return directory_; }
  /// Moves what is new or changed to `upper` and marks there what is gone, in the form of `copy`. The tree is used up.
  void settle(const std::filesystem::path& upper);

 private:
  /// What was copied to one name.
  struct Copied {
    ino_t inode = 0;
    timespec changed{};
    timespec born{};  ///< numbers of inodes come back: a directory made again is another one
    bool directory = false;
    std::map<std::string, Copied> entries;
  };
  class Filler;
  class Settler;

  std::filesystem::path directory_;
  std::unique_ptr<Copied> root_;
};

}  // namespace dlc::store
