#pragma once
// Characters of UTF-8 text; bytes that are no UTF-8 count as one character each.
#include <cstddef>
#include <string_view>

namespace dlc::dockerfile {

/// The character at `at` (which must be inside), and moves `at` behind it.
[[nodiscard]] std::string_view take_character(std::string_view text, std::size_t& at);

/// The code point of one character as `take_character` gives it; over U+10FFFF for a byte that is no UTF-8.
[[nodiscard]] char32_t code_point(std::string_view character);

/// Whether the character may stand in a variable's name: letters and digits of any script, '_'.
[[nodiscard]] bool is_name_character(std::string_view character);

/// Whether Go's unicode.IsPrint holds, as far as text of ours needs it.
[[nodiscard]] bool is_printable(char32_t c);

}  // namespace dlc::dockerfile
