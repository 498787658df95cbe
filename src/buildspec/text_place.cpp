#include "buildspec/text_place.h"

namespace dlc::buildspec {

std::size_t mark_size(std::string_view text) {
  constexpr std::string_view kMark = "\xef\xbb\xbf";
  return text.starts_with(kMark) ? kMark.size() : 0;
}

std::size_t line_start(std::string_view text, int line) {
  std::size_t start = mark_size(text);
  for (int i = 1; i < line; ++i) {
    const auto end = text.find('\n', start);
    if (end == std::string_view::npos) {
      return text.size();
    }
    start = end + 1;
  }
  return start;
}

std::size_t byte_of_column(std::string_view text, std::size_t start, int column) {
  auto byte = start;
  for (int i = 1; i < column && byte < text.size(); ++i) {
    ++byte;
    while (byte < text.size() && (static_cast<unsigned char>(text[byte]) & 0xC0U) == 0x80U) {
      ++byte;
    }
  }
  return byte;
}

}  // namespace dlc::buildspec
