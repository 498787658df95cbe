#pragma once
// The file `format` of a store: its number, how its snapshots are stacked, and whose ids own its files.
#include <filesystem>
#include <functional>

#include "store/snapshot_mode.h"

namespace dlc::store {

/// Decides the mode of a store that is being made in this directory.
using ModeChooser = std::function<SnapshotMode(const std::filesystem::path& directory)>;

/// Overlayfs, as this process may use it.
[[nodiscard]] SnapshotMode native_snapshot_mode(const std::filesystem::path& directory);

/// Reads the file, or writes it with the mode of `choose`. Error(unsupported) where it is newer than this program,
/// Error(denied) where the store was made with other user ids (as root, as a user, with other subordinate ids).
[[nodiscard]] SnapshotMode open_format(const std::filesystem::path& store, const ModeChooser& choose);

}  // namespace dlc::store
