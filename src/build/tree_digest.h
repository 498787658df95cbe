#pragma once
// The content of selected files as one digest, for the key of a COPY or a bind mount: path, type, mode, owner, xattrs,
// link groups and content of every file, never a time (docs/engine.md, "Keys"). File contents are hashed once: the
// store remembers digests by stat, and files changed too recently to tell are hashed again.
#include <string>
#include <vector>

#include "build/selection.h"
#include "build/tree.h"
#include "store/records.h"

namespace dlc::build {

/// One file or link for explanations: `identity` changes with its content, mode or owner.
struct NamedFile {
  std::string path;      ///< in the tree
  std::string identity;  ///< "0644 <sha256 in hex>" of a regular file
};

/// `excludes` are patterns relative to each selected path. Reads files with `threads` threads. `files` gets
/// what was found, directories apart.
[[nodiscard]] Digest digest_selection(const Tree& tree, const std::vector<Selected>& selected,
                                      const std::vector<std::string>& excludes, store::Records& records,
                                      unsigned threads, std::vector<NamedFile>* files = nullptr);

}  // namespace dlc::build
