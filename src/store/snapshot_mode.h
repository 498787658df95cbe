#pragma once
// How the snapshots of a store are stacked to one file system, and how they mark what is gone. One mode per store, kept
// in its file `format` (docs/engine.md, "Snapshots and layers"): forms are never mixed. Layers are the same in all.
#include <optional>
#include <string_view>

namespace dlc::store {

enum class SnapshotMode {
  trusted,  ///< overlayfs as root: char 0:0 devices, trusted.overlay.opaque
  user,     ///< overlayfs in a user namespace: char 0:0 devices, user.overlay.opaque
  copy,  ///< a copy for each step, where the file system carries no overlay's upper: files ".wh.NAME", ".wh..wh..opq"
};

/// As in `format`: "trusted", "user", "copy".
[[nodiscard]] std::string_view to_string(SnapshotMode mode);
[[nodiscard]] std::optional<SnapshotMode> parse_snapshot_mode(std::string_view text);
/// Marks are files with names of their own, not devices and attributes: any file system can hold them.
[[nodiscard]] constexpr bool marks_are_files(SnapshotMode mode) {
  return mode == SnapshotMode::copy;
}

}  // namespace dlc::store
