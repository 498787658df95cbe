#pragma once
// The kernel's descriptor-based mount calls (fsopen(2), fsmount(2), open_tree(2), move_mount(2), mount_setattr(2)),
// whose mounts belong to no namespace until they are attached. glibc 2.36 has the names, but its <sys/mount.h> and the
// kernel's <linux/mount.h> cannot be included together, so only the former is used.
#include <filesystem>
#include <string>

#include "sandbox/merged_root.h"

namespace dlc::sandbox {

/// A detached copy of the mount (tree) at `path`, which `directory` resolves; with `recursive` mounts below it too.
[[nodiscard]] UniqueFd clone_mount(int directory, const std::string& path, bool recursive);
/// The mount and those below it; what they are copies of stays as it is.
void make_read_only(const UniqueFd& mount);
/// Attaches a detached mount at `target`.
void attach_mount(const UniqueFd& mount, const std::string& target);

/// A detached overlay (nodev) of a stack in mode `trusted` or `user`. Writable ones are `volatile`: no fsync of a step
/// waits for the disk; durability is the store's (docs/engine.md). Any number of lowers; with an upper, even none.
[[nodiscard]] UniqueFd make_overlay(const Stack& stack);
/// Takes the kernel's mark "was mounted volatile" out of a work directory, so that it can be mounted again. For the
/// orderly end only: after a crash of the machine the mark is right.
void forget_volatile_mount(const std::filesystem::path& work) noexcept;

}  // namespace dlc::sandbox
