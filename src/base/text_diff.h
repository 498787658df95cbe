#pragma once
// The difference of two texts as `diff -u` shows it.
#include <string>
#include <string_view>

namespace dlc {

/// "--- before_name", "+++ after_name" and hunks with three lines of context; empty where the texts are equal. Of long
/// differing middles (over 4 million pairs of lines) the whole middle counts as changed.
[[nodiscard]] std::string unified_diff(std::string_view before_name, std::string_view before,
                                       std::string_view after_name, std::string_view after);

}  // namespace dlc
