#include "base/suggest.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>

namespace dlc {

namespace {

constexpr std::size_t kLongest = 64;
constexpr int kEdit = 2;  // twice the number of edits, so that a difference in case can count half

int cost(char a, char b) {
  if (a == b) {
    return 0;
  }
  return std::tolower(static_cast<unsigned char>(a)) == std::tolower(static_cast<unsigned char>(b)) ? 1 : kEdit;
}

int distance(std::string_view a, std::string_view b) {
  std::array<std::array<int, kLongest + 1>, kLongest + 1> d{};
  for (std::size_t i = 0; i <= a.size(); ++i) {
    d[i][0] = static_cast<int>(i) * kEdit;
  }
  for (std::size_t j = 0; j <= b.size(); ++j) {
    d[0][j] = static_cast<int>(j) * kEdit;
  }
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      d[i][j] = std::min({d[i - 1][j] + kEdit, d[i][j - 1] + kEdit, d[i - 1][j - 1] + cost(a[i - 1], b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + kEdit);
      }
    }
  }
  return d[a.size()][b.size()];
}

}  // namespace

std::string closest(std::string_view word, std::span<const std::string> candidates) {
  if (word.empty() || word.size() > kLongest) {
    return {};
  }
  const int limit = kEdit * std::clamp(static_cast<int>(word.size()) / 3, 1, 3);
  int best = limit + 1;
  const std::string* found = nullptr;
  for (const auto& candidate : candidates) {
    if (candidate.size() > kLongest || candidate == word) {
      continue;
    }
    const int d = distance(word, candidate);
    if (d < best) {
      best = d;
      found = &candidate;
    }
  }
  return found != nullptr ? *found : std::string();
}

}  // namespace dlc
