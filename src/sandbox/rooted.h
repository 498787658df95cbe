#pragma once
// File access below an untrusted root: every path is resolved with openat2(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS), so
// no link of an image leads outside it.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"

namespace dlc::sandbox {

/// Opens `path` (absolute or relative to the root) inside the root that `root` (a directory descriptor) stands for.
/// Follows links as a process chrooted there would. Throws Error; ENOENT gives not_found.
[[nodiscard]] UniqueFd open_in_root(int root, std::string_view path, int flags, unsigned mode = 0);
/// As above, nullopt where it does not exist (ENOENT, ENOTDIR).
[[nodiscard]] std::optional<UniqueFd> try_open_in_root(int root, std::string_view path, int flags);

struct UserIds {
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::vector<std::uint32_t> groups;  ///< supplementary
  std::string home;                   ///< from passwd, "/" where unknown
  std::string name;
};

/// "", "name", "uid", "name:group", "uid:gid" by the root's /etc/passwd and /etc/group (regular files of at most 16 MiB
/// only; our own parser, no NSS). An unknown name, or a number out of range, is Error(invalid) "unable to find user X".
[[nodiscard]] UserIds resolve_user(int root, std::string_view user);
/// For --chown: without a group part the gid is the uid when numeric, else the user's primary group (as BuildKit).
[[nodiscard]] UserIds resolve_owner(int root, std::string_view owner);

}  // namespace dlc::sandbox
