#pragma once
// A read-only view of an image's or a step's file system, for as long as it lives.
#include <filesystem>
#include <optional>

#include "base/files.h"
#include "codec/digest.h"
#include "sandbox/overlay.h"
#include "store/store.h"

namespace dlc::build {

class MountedChain {
 public:
  /// The chain must be unpacked; zero gives an empty directory.
  MountedChain(store::Store& store, const codec::Digest& chain);
  [[nodiscard]] std::filesystem::path path() const;

 private:
  std::optional<TemporaryDirectory> place_;  // of the empty one, or of copies
  std::optional<sandbox::OverlayMount> overlay_;
};

}  // namespace dlc::build
