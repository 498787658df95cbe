#pragma once
// Trees of changes over others (overlayfs's upper form, or the same with marks as files), seen from outside a mount:
// whiteouts, opaque directories, extended attributes, and the merged view of several such trees. All paths are relative
// to a root descriptor, without leading slash; "" is the root. Callers make sure that no component before the last is a
// symbolic link.
#include <sys/stat.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/fd.h"
#include "store/snapshot_mode.h"

namespace dlc::store {

using Xattrs = std::map<std::string, std::string>;

/// "a/b" -> "a"; "a" -> "".
[[nodiscard]] std::string parent_of(std::string_view path);
[[nodiscard]] std::string_view name_of(std::string_view path);
/// "a" + "b" -> "a/b"; "" + "b" -> "b".
[[nodiscard]] std::string join(std::string_view directory, std::string_view name);

/// lstat below `root`; nullopt where the path is missing.
[[nodiscard]] std::optional<struct stat> stat_at(int root, const std::string& path);
/// Opens below `root` without following any link (openat2).
[[nodiscard]] UniqueFd open_beneath(int root, const std::string& path, int flags, unsigned mode = 0);
[[nodiscard]] std::string read_link_at(int root, const std::string& path);
/// Names in a directory, sorted bytewise.
[[nodiscard]] std::vector<std::string> list_at(int root, const std::string& path);
void set_mtime_at(int root, const std::string& path, std::int64_t seconds, std::int64_t nanoseconds);
void unlink_at(int root, const std::string& path, bool directory);

/// The attributes that belong into a layer: all but overlayfs's and our own and SELinux's label; capabilities as
/// version 2.
[[nodiscard]] Xattrs xattrs_at(int root, const std::string& path);
void set_xattr_at(int root, const std::string& path, const std::string& name, std::string_view value);
/// "trusted.overlay.x", "user.overlay.x", and ours: "user.dlc.x".
[[nodiscard]] bool is_private_xattr(std::string_view name);
/// Owner, then mode (setuid survives), then attributes; not the times.
void set_metadata_at(int root, const std::string& path, const struct stat& status, const Xattrs& xattrs);

/// mknod; in a user namespace, which may not make devices, an empty file with the attribute user.dlc.device instead.
void make_device_at(int root, const std::string& path, mode_t type, dev_t device);

/// Gives such a file's status the device's type and number.
void take_device(const std::string& file, struct stat& status);

/// What a tree says about a path.
struct Look {
  enum class Kind { nothing, whiteout, entry };
  Kind kind = Kind::nothing;
  struct stat status{};  ///< of an entry; a device that stands as a file has a device's type and number
};
/// In `trusted` and `user` a whiteout is a char 0:0 device, or (since Linux 6.7) an empty file with the attribute
/// overlay.whiteout.
[[nodiscard]] Look look_at(int root, const std::string& path, SnapshotMode mode);
/// Names in a directory that are entries or whited out there, sorted bytewise.
[[nodiscard]] std::vector<std::string> list_names_at(int root, const std::string& directory, SnapshotMode mode);
/// Nothing may be at `path`.
void make_whiteout_at(int root, const std::string& path, SnapshotMode mode);
void remove_whiteout_at(int root, const std::string& path, SnapshotMode mode);
[[nodiscard]] bool is_opaque_at(int root, const std::string& path, SnapshotMode mode);
void make_opaque_at(int root, const std::string& path, SnapshotMode mode);

/// The merged, read-only view of snapshot directories. Looks at single paths; never walks a tree. Not thread-safe.
class LowerView {
 public:
  struct Found {
    std::size_t lower = 0;  ///< index of the directory that holds it
    struct stat status{};
  };

  /// `directories` topmost first; may be empty.
  LowerView(const std::vector<std::filesystem::path>& directories, SnapshotMode mode);

  /// What a path shows in the merged view; nullopt where it shows nothing (missing, whited out, below a file).
  [[nodiscard]] std::optional<Found> find(const std::string& path);
  /// The names that a directory shows, sorted bytewise.
  [[nodiscard]] std::vector<std::string> list(const std::string& directory);
  [[nodiscard]] int root(std::size_t lower) const { return roots_.at(lower).get(); }
  [[nodiscard]] bool empty() const noexcept { return roots_.empty(); }
  [[nodiscard]] SnapshotMode mode() const noexcept { return mode_; }

 private:
  /// The trees whose directory at this path shows through, topmost first.
  const std::vector<std::size_t>& contributors(const std::string& directory);

  SnapshotMode mode_;
  std::vector<UniqueFd> roots_;
  std::unordered_map<std::string, std::vector<std::size_t>> known_;
};

}  // namespace dlc::store
