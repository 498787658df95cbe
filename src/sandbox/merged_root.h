#pragma once
// Several directories as one file system, in whatever way the store's file system allows (store/snapshot_mode.h).
#include <filesystem>
#include <memory>
#include <vector>

#include "base/fd.h"
#include "store/snapshot_mode.h"

namespace dlc::sandbox {

struct Stack {
  std::vector<std::filesystem::path> lowers;  ///< topmost first
  std::filesystem::path upper;                ///< gets the changes; empty: a read-only view
  /// On the file system of `upper`, empty. A view needs it only where `views_need_work(mode)`, on that of the lowers.
  std::filesystem::path work;
  store::SnapshotMode mode = store::SnapshotMode::trusted;
};

[[nodiscard]] constexpr bool views_need_work(store::SnapshotMode mode) {
  return mode == store::SnapshotMode::copy;
}

class MergedRoot {
 public:
  explicit MergedRoot(const Stack& stack);
  MergedRoot(MergedRoot&&) noexcept;
  MergedRoot& operator=(MergedRoot&&) = delete;
  /// Ends it; what was changed may not have reached `upper`.
  ~MergedRoot();

  /// The mount, attached nowhere.
  [[nodiscard]] const UniqueFd& mount() const noexcept;
  /// After the last use of the mount and all its clones: brings the changes to `upper`, in the form of the mode.
  void settle();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The mode for a new store in this directory, which exists: overlayfs where it can carry an upper there, else
/// copies; found by trying. DLC_SNAPSHOTS (overlay, copy) decides instead where it is set.
/// Enters the private namespace (overlay.h).
[[nodiscard]] store::SnapshotMode choose_snapshot_mode(const std::filesystem::path& directory);

}  // namespace dlc::sandbox
