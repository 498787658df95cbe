#include "dockerfile/utf8.h"

#include <algorithm>
#include <array>
#include <utility>

namespace dlc::dockerfile {
namespace {

constexpr char32_t kNoUtf8 = 0x200000;

std::size_t sequence_length(unsigned char lead) {
  if (lead < 0x80) {
    return 1;
  }
  return lead >= 0xf0 && lead < 0xf5 ? 4 : lead >= 0xe0 && lead < 0xf0 ? 3 : lead >= 0xc2 && lead < 0xe0 ? 2 : 1;
}

using Range = std::pair<char32_t, char32_t>;

// Blocks above ASCII that hold no letters: Latin-1 signs, general punctuation and symbols, CJK punctuation, private
// use, variation selectors, full-width signs, emoji.
constexpr std::array<Range, 16> kNoLetters{{{0x80, 0xa9},
                                            {0xab, 0xb4},
                                            {0xb6, 0xb9},
                                            {0xbb, 0xbf},
                                            {0xd7, 0xd7},
                                            {0xf7, 0xf7},
                                            {0x300, 0x36f},
                                            {0x2000, 0x2070},
                                            {0x20a0, 0x20ff},
                                            {0x2190, 0x2bff},
                                            {0x3000, 0x3004},
                                            {0x3008, 0x3030},
                                            {0xd800, 0xf8ff},
                                            {0xfe00, 0xfe6f},
                                            {0xff00, 0xff20},
                                            {0x1f000, 0x1faff}}};
constexpr std::array<Range, 8> kUnprintable{{{0x7f, 0xa0},
                                             {0xad, 0xad},
                                             {0x2000, 0x200f},
                                             {0x2028, 0x202f},
                                             {0x205f, 0x206f},
                                             {0x3000, 0x3000},
                                             {0xd800, 0xf8ff},
                                             {0xfeff, 0xfeff}}};

bool in_ranges(char32_t c, const auto& ranges) {
  return std::any_of(ranges.begin(), ranges.end(),
                     [c](const Range& range) { return range.first <= c && c <= range.second; });
}

}  // namespace

std::string_view take_character(std::string_view text, std::size_t& at) {
  const std::size_t start = at;
  std::size_t length = sequence_length(static_cast<unsigned char>(text[at]));
  for (std::size_t i = 1; i < length; ++i) {
    if (start + i >= text.size() || (static_cast<unsigned char>(text[start + i]) & 0xc0U) != 0x80) {
      length = 1;
    }
  }
  at += length;
  return text.substr(start, length);
}

char32_t code_point(std::string_view character) {
  const auto lead = static_cast<unsigned char>(character.front());
  if (character.size() == 1) {
    return lead < 0x80 ? char32_t{lead} : kNoUtf8 + lead;
  }
  char32_t value = lead & (0x7fU >> character.size());
  for (const char c : character.substr(1)) {
    value = value << 6 | (static_cast<unsigned char>(c) & 0x3fU);
  }
  return value;
}

bool is_name_character(std::string_view character) {
  const char32_t c = code_point(character);
  if (c < 0x80) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  }
  return c < kNoUtf8 && !in_ranges(c, kNoLetters);
}

bool is_printable(char32_t c) {
  return c >= 0x20 && c < kNoUtf8 && !in_ranges(c, kUnprintable);
}

}  // namespace dlc::dockerfile
