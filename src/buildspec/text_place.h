#pragma once
// From a place in a text (line, and column in characters) to its byte. Internal to this folder.
#include <cstddef>
#include <string_view>

namespace dlc::buildspec {

/// The bytes of the byte order mark that some editors put before everything: 3 or 0. It is no part of line 1.
[[nodiscard]] std::size_t mark_size(std::string_view text);

/// The byte at which a line (from 1) begins; the text's size beyond its last line.
[[nodiscard]] std::size_t line_start(std::string_view text, int line);

/// The byte of a column (from 1, counted in characters of UTF-8) of the line that begins at `start`.
[[nodiscard]] std::size_t byte_of_column(std::string_view text, std::size_t start, int column);

}  // namespace dlc::buildspec
