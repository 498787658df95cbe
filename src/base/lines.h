#pragma once
// Text as lines.
#include <string_view>
#include <vector>

namespace dlc {

/// The lines of `text` without their '\n'; views into it. An end without '\n' is a line too.
[[nodiscard]] std::vector<std::string_view> split_lines(std::string_view text);

}  // namespace dlc
