#pragma once
// Whether programs for another platform run here: natively (386 on amd64), or through an interpreter that binfmt_misc
// starts (qemu-user).
#include <filesystem>
#include <string>

#include "oci/image.h"

namespace dlc::sandbox {

struct Emulation {
  enum class State {
    native,      ///< this machine runs it
    emulated,    ///< an interpreter is registered, and is there in every root file system
    needs_file,  ///< one is registered, but opened by its path in each root file system (no flag F)
    missing,
  };
  State state = State::missing;
  std::string interpreter;  ///< its path
};

/// `host` is this machine; `binfmt` the directory of the kernel's table (docs: kernel, binfmt-misc).
[[nodiscard]] Emulation find_emulation(const oci::Platform& wanted, const oci::Platform& host,
                                       const std::filesystem::path& binfmt = "/proc/sys/fs/binfmt_misc");

}  // namespace dlc::sandbox
