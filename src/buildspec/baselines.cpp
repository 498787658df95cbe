#include "buildspec/baselines.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>

#include "base/error.h"
#include "buildspec/text_place.h"

namespace dlc::buildspec {

namespace {

struct Span {
  std::size_t begin = 0;
  std::size_t size = 0;
};

/// The digits at a place, without their quotes.
Span number_at(std::string_view text, const BaselineChange& change) {
  auto begin = byte_of_column(text, line_start(text, change.line), change.column);
  const char quote = begin < text.size() && (text[begin] == '"' || text[begin] == '\'') ? text[begin] : '\0';
  begin += quote != '\0' ? 1 : 0;
  auto end = begin;
  while (end < text.size() && (std::isdigit(static_cast<unsigned char>(text[end])) != 0 || text[end] == '_' ||
                               text[end] == '+' || text[end] == '.')) {
    ++end;
  }
  const bool closed =
      quote == '\0' ? end == text.size() || std::string_view(" \t\r\n,}]#").find(text[end]) != std::string_view::npos
                    : end < text.size() && text[end] == quote;
  if (change.line < 1 || change.column < 1 || end == begin || !closed) {
    throw Error(ErrorKind::invalid, fmt::format("no number in line {}, column {}", change.line, change.column))
        .hint("image_size_baseline must stand there as a number of MiB");
  }
  return {begin, end - begin};
}

}  // namespace

std::string update_baselines(std::string_view text, const std::vector<BaselineChange>& changes) {
  std::map<std::size_t, std::pair<std::size_t, std::int64_t>, std::greater<>> edits;  // from the end to the beginning
  for (const auto& change : changes) {
    const auto span = number_at(text, change);
    const auto [edit, is_new] = edits.try_emplace(span.begin, span.size, change.baseline);
    if (!is_new && edit->second.second != change.baseline) {
      throw Error(ErrorKind::invalid, fmt::format("two baselines, {} and {}, for one value in line {}",
                                                  edit->second.second, change.baseline, change.line))
          .hint("give the images values of their own");
    }
  }
  std::string result(text);
  for (const auto& [begin, edit] : edits) {
    result.replace(begin, edit.first, std::to_string(edit.second));
  }
  return result;
}

}  // namespace dlc::buildspec
