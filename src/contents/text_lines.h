#pragma once
// Small jobs on text that the readers of this folder share.
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dlc::contents {

/// Without blanks, tabs and line ends around it.
[[nodiscard]] std::string_view trim(std::string_view text) noexcept;
/// Lines without their ends ("\n" or "\r\n"). `text` outlives the result.
[[nodiscard]] std::vector<std::string_view> lines_of(std::string_view text);
/// Parts between any of `separators`; empty ones are left out.
[[nodiscard]] std::vector<std::string_view> split(std::string_view text, std::string_view separators);
[[nodiscard]] std::string replaced(std::string text, std::initializer_list<std::string_view> words,
                                   std::string_view replacement);
[[nodiscard]] std::string lower(std::string_view text);

/// The fields of an RFC 822 header block as dpkg and Python write them: "Name: value", continued by lines that begin
/// with a blank. In order, names as written; ends at the first empty line. `text` is left with what follows it.
using Fields = std::vector<std::pair<std::string, std::string>>;
[[nodiscard]] Fields next_fields(std::string_view& text);
/// The first of this name (in any case), or "".
[[nodiscard]] std::string field(const Fields& fields, std::string_view name);
[[nodiscard]] std::vector<std::string> all_fields(const Fields& fields, std::string_view name);

}  // namespace dlc::contents
