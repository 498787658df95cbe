#pragma once
// A compiled file name pattern: * ? [..] and, where asked for, ** over directories. Matching takes time proportional to
// pattern x name, whatever the pattern.
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace dlc::dockerfile {

class Pattern {
 public:
  enum class DoubleStar { ordinary, directories };

  /// A malformed pattern gives one that matches nothing; see `valid`.
  Pattern(std::string_view text, DoubleStar double_star);

  [[nodiscard]] bool valid() const noexcept { return valid_; }
  [[nodiscard]] bool matches(std::string_view name) const;

 private:
  enum class Kind : std::uint8_t { character, any, set, star, rest, maybe_directories, directories };
  struct Token {
    Kind kind = Kind::character;
    char32_t character = 0;
    bool negated = false;
    std::vector<std::pair<char32_t, char32_t>> ranges;
  };

  void compile(std::string_view text, DoubleStar double_star);
  bool compile_set(std::string_view text, std::size_t& at);
  [[nodiscard]] bool accepts(const Token& token, char32_t c) const;
  void enter(std::vector<char>& states, std::size_t state) const;

  std::vector<Token> tokens_;
  bool valid_ = true;
};

}  // namespace dlc::dockerfile
