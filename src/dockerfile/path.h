#pragma once
// Slash-separated paths as text; nothing looks at the disk.
#include <string>
#include <string_view>

namespace dlc::dockerfile {

/// The shortest equal path: no "." or empty components, ".." taken where something precedes it; "." for nothing.
/// A trailing slash goes; "/.." is "/".
[[nodiscard]] std::string clean_path(std::string_view path);

}  // namespace dlc::dockerfile
