#include "base/text_diff.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

namespace dlc {

namespace {

using Lines = std::vector<std::string_view>;

/// The lines with their newline, so that a missing one at the end is a difference too.
Lines lines_of(std::string_view text) {
  Lines lines;
  while (!text.empty()) {
    const auto end = text.find('\n');
    const auto size = end == std::string_view::npos ? text.size() : end + 1;
    lines.push_back(text.substr(0, size));
    text.remove_prefix(size);
  }
  return lines;
}

struct Line {
  char mark = ' ';  ///< as printed: ' ', '-' or '+'
  std::string_view text;
};

/// The lines between the common beginning and the common end, by the longest common subsequence.
void compare_middle(std::span<const std::string_view> before, std::span<const std::string_view> after,
                    std::vector<Line>& result) {
  constexpr std::size_t kMostPairs = 4'000'000;
  const auto rows = before.size();
  const auto columns = after.size();
  std::vector<std::uint32_t> common;  // [i * (columns + 1) + j]: of before[i..] and after[j..]
  const bool compared = rows * columns <= kMostPairs;
  const auto at = [&](std::size_t i, std::size_t j) -> std::uint32_t& { return common[i * (columns + 1) + j]; };
  if (compared) {
    common.resize((rows + 1) * (columns + 1));
    for (auto i = rows; i-- > 0;) {
      for (auto j = columns; j-- > 0;) {
        at(i, j) = before[i] == after[j] ? at(i + 1, j + 1) + 1 : std::max(at(i + 1, j), at(i, j + 1));
      }
    }
  }
  std::size_t i = 0;
  std::size_t j = 0;
  while (i < rows || j < columns) {
    if (compared && i < rows && j < columns && before[i] == after[j]) {
      result.push_back({' ', before[i]});
      ++i, ++j;
    } else if (i < rows && (j == columns || !compared || at(i + 1, j) >= at(i, j + 1))) {
      result.push_back({'-', before[i++]});
    } else {
      result.push_back({'+', after[j++]});
    }
  }
}

std::vector<Line> compare(const Lines& before, const Lines& after) {
  const auto [first_before, first_after] = std::ranges::mismatch(before, after);
  const auto head = static_cast<std::size_t>(first_before - before.begin());
  std::size_t tail = 0;
  while (tail < std::min(before.size(), after.size()) - head &&
         before[before.size() - 1 - tail] == after[after.size() - 1 - tail]) {
    ++tail;
  }
  std::vector<Line> result;
  for (std::size_t i = 0; i < head; ++i) {
    result.push_back({' ', before[i]});
  }
  compare_middle(std::span(before).subspan(head, before.size() - tail - head),
                 std::span(after).subspan(head, after.size() - tail - head), result);
  for (auto i = before.size() - tail; i < before.size(); ++i) {
    result.push_back({' ', before[i]});
  }
  return result;
}

/// "12,3", or "12" for one line; an empty range names the line before it.
std::string range_text(std::size_t start, std::size_t count) {
  return count == 1 ? fmt::format("{}", start + 1) : fmt::format("{},{}", count == 0 ? start : start + 1, count);
}

std::string hunk_text(std::span<const Line> hunk, std::size_t before_start, std::size_t after_start) {
  const auto count = [&](char other) {
    return static_cast<std::size_t>(std::ranges::count_if(hunk, [&](const Line& line) { return line.mark != other; }));
  };
  auto text = fmt::format("@@ -{} +{} @@\n", range_text(before_start, count('+')), range_text(after_start, count('-')));
  for (const auto& line : hunk) {
    text += line.mark;
    text += line.text;
    if (!line.text.ends_with('\n')) {
      text += "\n\\ No newline at end of file\n";
    }
  }
  return text;
}

}  // namespace

std::string unified_diff(std::string_view before_name, std::string_view before, std::string_view after_name,
                         std::string_view after) {
  if (before == after) {
    return {};
  }
  constexpr std::size_t kContext = 3;
  const auto lines = compare(lines_of(before), lines_of(after));
  auto text = fmt::format("--- {}\n+++ {}\n", before_name, after_name);
  std::size_t before_line = 0;
  std::size_t after_line = 0;
  std::size_t passed = 0;  // lines counted in the two above
  const auto pass_to = [&](std::size_t end) {
    for (; passed < end; ++passed) {
      before_line += lines[passed].mark != '+' ? 1 : 0;
      after_line += lines[passed].mark != '-' ? 1 : 0;
    }
  };
  const auto next_change = [&](std::size_t from) {
    while (from < lines.size() && lines[from].mark == ' ') {
      ++from;
    }
    return from;
  };
  for (auto change = next_change(0); change < lines.size();) {
    const auto begin = std::max(passed, change - std::min(change, kContext));
    auto end = change;
    for (auto next = change; next < lines.size() && next <= end + 2 * kContext; next = next_change(end)) {
      end = next + 1;
    }
    const auto stop = std::min(end + kContext, lines.size());
    pass_to(begin);
    text += hunk_text(std::span(lines).subspan(begin, stop - begin), before_line, after_line);
    pass_to(stop);
    change = next_change(stop);
  }
  return text;
}

}  // namespace dlc
