#pragma once
// "Did you mean": the candidate that a mistyped word most likely stands for.
#include <span>
#include <string>
#include <string_view>

namespace dlc {

/// The candidate with the fewest edits (insert, delete, replace, swap of neighbours; case counts half), at most a third
/// of the word's length and at most 3; empty where none is that close. Words and candidates over 64 bytes never match.
[[nodiscard]] std::string closest(std::string_view word, std::span<const std::string> candidates);

}  // namespace dlc
