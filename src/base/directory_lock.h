#pragma once
// One writer at a time below a directory, without a lock file.
#include <chrono>
#include <filesystem>

#include "base/fd.h"

namespace dlc {

/// Holds an exclusive flock(2) on the directory itself, which leaves nothing behind, not even after kill -9.
class DirectoryLock {
 public:
  /// Throws Error(failed, retryable) where another process holds it for longer than `patience`.
  explicit DirectoryLock(const std::filesystem::path& directory,
                         std::chrono::milliseconds patience = std::chrono::seconds(10));

  /// False on a file system that cannot lock directories (some network file systems).
  [[nodiscard]] bool held() const noexcept { return held_; }

 private:
  UniqueFd fd_;
  bool held_ = false;
};

}  // namespace dlc
