#pragma once
// Mounted file systems as one flat tar (--output type=tar).
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include "codec/stream.h"

namespace dlc::build {

struct ExportedTree {
  std::filesystem::path root;
  std::string prefix;                ///< directory of the tar that gets it; empty: the tar itself
  std::optional<std::int64_t> time;  ///< of every entry, seconds; absent: as in the tree
};

/// In the order of names, each inode once; finishes `out`.
void write_tree_tar(codec::Sink& out, std::span<const ExportedTree> trees);

}  // namespace dlc::build
