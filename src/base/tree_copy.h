#pragma once
// Directories of plain files: copied and compared.
#include <sys/types.h>

#include <filesystem>
#include <optional>

#include "base/error.h"

namespace dlc {

/// An error of std::filesystem as one of ours.
[[nodiscard]] Error file_system_error(const std::filesystem::filesystem_error& error);

/// Who a file belongs to.
struct Owner {
  uid_t user = 0;
  gid_t group = 0;
};
[[nodiscard]] Owner owner_of(const std::filesystem::path& path);
/// As far as this process may: another than root can only give a group of its own.
void give_to(const std::filesystem::path& path, Owner owner) noexcept;

/// Throws Error(invalid) with its path where something below is neither a directory, nor a regular file, nor a link.
void require_plain_tree(const std::filesystem::path& directory);

/// Copies a directory (or the one that a link names) to a place where nothing is, onto the disk: links and modes as
/// they are, and everything belonging to `owner`, where there is one. Throws Error.
void copy_tree(const std::filesystem::path& from, const std::filesystem::path& to, const std::optional<Owner>& owner);

/// Whether both have the same names, links, contents and modes.
[[nodiscard]] bool equal_trees(const std::filesystem::path& one, const std::filesystem::path& other);

}  // namespace dlc
