#pragma once
// Mounts of this process's private mount namespace. `enter_private_namespace` is called once at start, while the
// process has one thread; from then on every mount made here vanishes with the process, however it ends.
#include <filesystem>

#include "sandbox/merged_root.h"

namespace dlc::sandbox {

/// As an ordinary user first a user namespace (base/user_namespace.h); then unshare(CLONE_NEWNS), all mounts private, a
/// 0700 tmpfs at `run_directory()` for bundles and secrets, and what the OCI runtime needs on hybrid cgroup hosts (a
/// tmpfs over /sys/fs/cgroup/unified). Error(denied) with a hint without the rights. Idempotent.
void enter_private_namespace();
/// The private tmpfs.
[[nodiscard]] const std::filesystem::path& run_directory();

/// A merged root (merged_root.h) attached at a directory below run_directory(); detached by the destructor.
class OverlayMount {
 public:
  explicit OverlayMount(const Stack& stack);
  OverlayMount(OverlayMount&&) noexcept;
  OverlayMount& operator=(OverlayMount&&) = delete;
  ~OverlayMount();
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  /// Detaches it; `upper` then holds the changes. Nobody may have a file of it open.
  void finish();

 private:
  void detach() noexcept;

  MergedRoot root_;
  std::filesystem::path path_;
};

}  // namespace dlc::sandbox
