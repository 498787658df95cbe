#pragma once
// Access to an upper directory after its step: names of the step's choosing, no link ever followed.
#include <string>
#include <utility>

#include "base/fd.h"

namespace dlc::sandbox {

/// Opens `path` ("" for the directory itself) below `directory`; an empty descriptor where it is missing, behind a link
/// or otherwise out of reach.
[[nodiscard]] UniqueFd open_below(int directory, const std::string& path, int flags);
/// "a/b/c" to "a/b" and "c".
[[nodiscard]] std::pair<std::string, std::string> split_path(const std::string& path);
/// Removes one file, link, whiteout or empty directory; the parent keeps its times. False where it could not.
bool remove_below(int directory, const std::string& path, bool is_directory);

}  // namespace dlc::sandbox
