#pragma once
// The index of a layer as a file: docs/formats/layer-index.md.
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "codec/tar.h"
#include "store/layers.h"

namespace dlc::store {

/// Content of these paths is kept in the index, up to `kKeptLimit` bytes.
[[nodiscard]] bool is_kept_path(std::string_view path);
inline constexpr std::uint64_t kKeptLimit = 1U << 20;

/// An entry without content, offset and kept content.
[[nodiscard]] IndexEntry index_entry(const codec::TarEntry& entry, std::string path);

/// What the tar says of an entry.
[[nodiscard]] codec::TarEntry tar_entry(const IndexEntry& entry);

/// Writes to a name of its own in `scratch` and renames over `path`.
void write_index(const std::filesystem::path& path, const std::filesystem::path& scratch,
                 const std::vector<IndexEntry>& entries);
/// Throws Error(not_found), Error(corrupt), Error(unsupported: a newer version).
[[nodiscard]] std::vector<IndexEntry> read_index(const std::filesystem::path& path);

}  // namespace dlc::store
