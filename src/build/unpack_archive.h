#pragma once
// ADD of a local archive: a tar, plain or compressed with gzip, bzip2, xz or zstd, is unpacked into the destination as
// if chrooted there, so that neither "..", nor absolute names, nor links lead out of it.
#include <optional>
#include <stop_token>
#include <string>
#include <utility>

#include "build/root_tree.h"

namespace dlc::build {

/// Whether the file starts as a tar does, behind any compression. Reads from its start; leaves the offset behind it.
[[nodiscard]] bool is_archive(int file, const std::string& name);

/// Unpacks the archive into `dest`, an existing directory below `root`. Throws Error(corrupt) for a damaged archive,
/// Error(invalid) for a hard link that leads out or nowhere, Error(cancelled).
void unpack_archive(int file, const std::string& name, const RootTree& root, const std::string& dest,
                    const std::optional<std::pair<std::uint32_t, std::uint32_t>>& owner,
                    const std::stop_token& stop = {});

}  // namespace dlc::build
