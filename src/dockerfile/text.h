#pragma once
// Characters and blanks as the Dockerfile language sees them: bytes, ASCII case, ASCII blanks.
#include <string>
#include <string_view>

namespace dlc::dockerfile {

[[nodiscard]] constexpr bool is_blank(char c) noexcept {
  return c == ' ' || c == '\t' || c == '\n' || c == '\v' || c == '\f' || c == '\r';
}

[[nodiscard]] constexpr std::string_view trim_left(std::string_view text) noexcept {
  while (!text.empty() && is_blank(text.front())) {
    text.remove_prefix(1);
  }
  return text;
}

[[nodiscard]] constexpr std::string_view trim_right(std::string_view text) noexcept {
  while (!text.empty() && is_blank(text.back())) {
    text.remove_suffix(1);
  }
  return text;
}

[[nodiscard]] constexpr std::string_view trim(std::string_view text) noexcept {
  return trim_left(trim_right(text));
}

[[nodiscard]] constexpr char to_lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

[[nodiscard]] constexpr char to_upper(char c) noexcept {
  return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}

[[nodiscard]] inline std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    c = to_lower(c);
  }
  return result;
}

[[nodiscard]] inline std::string upper(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    c = to_upper(c);
  }
  return result;
}

}  // namespace dlc::dockerfile
