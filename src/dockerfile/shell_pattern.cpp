#include "dockerfile/shell_pattern.h"

#include <algorithm>

#include "base/error.h"
#include "dockerfile/utf8.h"

namespace dlc::dockerfile {

namespace {

// Replacements within replacements multiply: a line of the file could ask for more than there is memory.
constexpr std::size_t kMaxReplacedBytes = 1 << 20;

}  // namespace

ShellPattern::ShellPattern(std::string_view text) : text_(text) {
  const std::string_view pattern = text_;
  for (std::size_t at = 0; at < pattern.size();) {
    const char c = pattern[at];
    at += c == '\\' ? 1 : 0;
    if (c == '\\' && (at == pattern.size() || std::string_view("*?\\}/").find(pattern[at]) == std::string_view::npos)) {
      throw Error(ErrorKind::invalid,
                  "syntax error: invalid escape '\\" + text_.substr(at, 1) + "' in pattern " + text_);
    }
    const std::string_view character = take_character(pattern, at);
    const Kind kind = c == '*' ? Kind::star : c == '?' ? Kind::any : Kind::character;
    tokens_.push_back({kind, character});
  }
}

std::optional<std::size_t> ShellPattern::match(std::string_view text, std::size_t start, bool longest) const {
  // states[i]: the first i tokens have matched what was read so far.
  std::vector<char> states(tokens_.size() + 1, 0);
  std::vector<char> next(states.size());
  const auto enter = [this](std::vector<char>& set, std::size_t state) {
    for (set[state] = 1; state < tokens_.size() && tokens_[state].kind == Kind::star; set[state] = 1) {
      ++state;
    }
  };
  enter(states, 0);
  std::optional<std::size_t> end;
  for (std::size_t at = start;;) {
    if (states.back() != 0) {
      end = at;
    }
    if (at == text.size() || (end && !longest)) {
      return end;
    }
    const std::string_view character = take_character(text, at);
    std::fill(next.begin(), next.end(), 0);
    bool alive = false;
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      const Kind kind = tokens_[i].kind;
      if (states[i] != 0 && (kind != Kind::character || tokens_[i].character == character)) {
        enter(next, kind == Kind::star ? i : i + 1);
        alive = true;
      }
    }
    if (!alive) {
      return end;
    }
    states.swap(next);
  }
}

std::vector<std::size_t> ShellPattern::match_begins(std::string_view text, bool to_end) const {
  std::vector<std::size_t> positions;
  for (std::size_t at = 0; at < text.size(); static_cast<void>(take_character(text, at))) {
    positions.push_back(at);
  }
  positions.push_back(text.size());
  std::vector<std::size_t> begins;
  // rest[i]: the tokens from the i-th on match at the position; after[i]: at the one behind it.
  std::vector<char> rest(tokens_.size() + 1, 0);
  std::vector<char> after(rest.size(), 0);
  for (auto position = positions.rbegin(); position != positions.rend(); ++position) {
    std::size_t end = *position;
    const bool at_end = end == text.size();
    const std::string_view character = at_end ? std::string_view() : take_character(text, end);
    rest.back() = at_end || !to_end ? 1 : 0;
    for (std::size_t i = tokens_.size(); i-- > 0;) {
      const auto& [kind, wanted] = tokens_[i];
      if (kind == Kind::star) {
        rest[i] = rest[i + 1] | after[i];
      } else {
        rest[i] = !at_end && (kind == Kind::any || wanted == character) ? after[i + 1] : 0;
      }
    }
    if (rest.front() != 0) {
      begins.push_back(*position);
    }
    rest.swap(after);
  }
  std::reverse(begins.begin(), begins.end());
  return begins;
}

std::string_view ShellPattern::without_prefix(std::string_view text, bool longest) const {
  const auto end = match(text, 0, longest);
  return end ? text.substr(*end) : text;
}

std::string_view ShellPattern::without_suffix(std::string_view text, bool longest) const {
  const std::vector<std::size_t> begins = match_begins(text, true);
  return begins.empty() ? text : text.substr(0, longest ? begins.front() : begins.back());
}

std::string ShellPattern::replace(std::string_view text, std::string_view replacement, bool all) const {
  // A match is looked for only where one begins: with '*' each vain search would read the rest of the text.
  const std::vector<std::size_t> begins = match_begins(text, false);
  std::string result;
  std::size_t at = 0;
  bool after_match = false;  // an empty match directly behind a match does not count
  while (true) {
    const auto end = std::binary_search(begins.begin(), begins.end(), at) ? match(text, at, true) : std::nullopt;
    if (end && (*end > at || !after_match)) {
      if (result.size() + replacement.size() > kMaxReplacedBytes) {
        throw Error(ErrorKind::invalid, "a replacement in a substitution gives more than 1 MiB");
      }
      result += replacement;
      if (!all) {
        return result += text.substr(*end);
      }
    }
    if (end && *end > at) {
      at = *end;
      after_match = true;
      continue;
    }
    if (at == text.size()) {
      return result;
    }
    result += take_character(text, at);
    after_match = false;
  }
}

}  // namespace dlc::dockerfile
