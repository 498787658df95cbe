#pragma once
// The one map of user and group ids. As root it is the identity. An ordinary user's process enters a user namespace in
// which the user is root and the subordinate ids of /etc/subuid and /etc/subgid are the other ids of images; from then
// on the kernel translates, and all other code works with the ids that images have.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace dlc {

struct IdRange {
  std::uint32_t first = 0;
  std::uint32_t count = 0;
  friend bool operator==(const IdRange&, const IdRange&) = default;
};

/// The ranges that a file like /etc/subuid gives to a user, by name or number, in its order.
[[nodiscard]] std::vector<IdRange> subordinate_ranges(std::string_view file, std::string_view name, std::uint32_t uid);
/// What newuidmap takes: inside, outside and count for `own` as 0 and then the ranges, up to 65536 ids besides.
[[nodiscard]] std::vector<std::string> id_map_arguments(std::uint32_t own, const std::vector<IdRange>& ranges);
/// Whether this process's ids are mapped (a user namespace other than the machine's first).
[[nodiscard]] bool in_user_namespace();
/// The maps in use, "0:1000:1,1:100000:65536/0:1000:1,..." (users/groups); empty for the identity.
[[nodiscard]] std::string id_map_text();

/// Enters a user namespace as its root, with newuidmap and newgidmap. The process must have one thread. Nothing happens
/// to one that is root already. Error (not_found, denied) with what to install or to set.
void enter_user_namespace();
/// Whether dlc was started by another user than root, before or after it entered the namespace.
[[nodiscard]] bool is_ordinary_user() noexcept;
/// What a command begins with that must find the user's own ids, not root's: ssh reads the settings of the user that
/// getuid(2) names, whatever HOME is. Empty where `enter_user_namespace` changed nothing.
[[nodiscard]] std::vector<std::string> with_own_ids();
/// Why `enter_user_namespace` would fail, as the error it would throw, with the remedy; without entering. nullopt: it
/// would not.
[[nodiscard]] std::optional<Error> user_namespace_obstacle();

}  // namespace dlc
