#pragma once
// Text of unknown origin (what an image holds or says of itself) on its way to a terminal or into a line of output.
#include <string>
#include <string_view>

namespace dlc {

/// `text` in characters that neither steer a terminal nor end a line: control characters (C0, DEL, C1), line and
/// paragraph separators and what turns the direction of writing become escapes as in C ("\n", "\x1b", "\u202e"), bytes
/// that are no UTF-8 "\xff". All else stays, backslashes too: the result is for people, JSON is for programs.
[[nodiscard]] std::string printable(std::string_view text);

/// UTF-8 text of at most `characters` (code points: a wide one may take two columns); where something is left out the
/// last is "…", which is all that is left for 0.
[[nodiscard]] std::string cut(std::string_view text, std::size_t characters);

/// `text` in one line: each run of blanks, tabs and line ends becomes one blank, and those around it go.
[[nodiscard]] std::string squeezed(std::string_view text);

}  // namespace dlc
