#pragma once
// Mounts of this process's private mount namespace. `enter_private_namespace` is called once at start, while the
// process has one thread; from then on every mount made here vanishes with the process, however it ends.
#include <filesystem>
#include <vector>

#include "base/fd.h"

namespace dlc::sandbox {

/// unshare(CLONE_NEWNS), all mounts private, a 0700 tmpfs at `run_directory()` for bundles and secrets, and what the
/// OCI runtime needs on hybrid cgroup hosts (a tmpfs over /sys/fs/cgroup/unified). Error(denied) with a hint without
/// the rights. Idempotent.
void enter_private_namespace();
/// The private tmpfs.
[[nodiscard]] const std::filesystem::path& run_directory();

/// An overlay attached at a directory below run_directory(); unmounted (MNT_DETACH) by the destructor.
class OverlayMount {
 public:
  /// `lowers` topmost first, at least one; `upper`/`work` empty for a read-only view. Options
  /// redirect_dir=off,metacopy=off,index=off,xino=off; any number of lowers (lowerdir+ or short names).
  OverlayMount(const std::vector<std::filesystem::path>& lowers, const std::filesystem::path& upper,
               const std::filesystem::path& work);
  OverlayMount(OverlayMount&&) noexcept;
  OverlayMount& operator=(OverlayMount&&) = delete;
  ~OverlayMount();
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

 private:
  std::filesystem::path path_;
  std::filesystem::path work_;
};

}  // namespace dlc::sandbox
