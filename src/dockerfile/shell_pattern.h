#pragma once
// The patterns of ${name#p}, ${name%p} and ${name/p/w}: * any text, ? one character, \ quotes * ? \ } and /; all else
// is itself.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dlc::dockerfile {

class ShellPattern {
 public:
  /// Throws Error(invalid) where '\' stands before anything else.
  explicit ShellPattern(std::string_view text);
  ShellPattern(const ShellPattern&) = delete;
  ShellPattern& operator=(const ShellPattern&) = delete;

  [[nodiscard]] std::string_view without_prefix(std::string_view text, bool longest) const;
  [[nodiscard]] std::string_view without_suffix(std::string_view text, bool longest) const;
  /// The longest match from the left, the first one only or all. Throws Error(invalid) where more than 1 MiB comes of
  /// it.
  [[nodiscard]] std::string replace(std::string_view text, std::string_view replacement, bool all) const;

 private:
  enum class Kind { character, any, star };
  struct Token {
    Kind kind;
    std::string_view character;
  };

  /// The end of the shortest or longest match that begins at `start`.
  [[nodiscard]] std::optional<std::size_t> match(std::string_view text, std::size_t start, bool longest) const;

  /// Where matches begin, in order (to_end: matches that take all that follows). One pass from the right, in time and
  /// memory proportional to text * pattern and to text.
  [[nodiscard]] std::vector<std::size_t> match_begins(std::string_view text, bool to_end) const;

  std::string text_;
  std::vector<Token> tokens_;
};

}  // namespace dlc::dockerfile
