#include "dockerfile/pattern.h"

#include <algorithm>

#include "dockerfile/utf8.h"

namespace dlc::dockerfile {
namespace {

char32_t next_character(std::string_view text, std::size_t& at) {
  return code_point(take_character(text, at));
}

}  // namespace

Pattern::Pattern(std::string_view text, DoubleStar double_star) {
  compile(text, double_star);
}

void Pattern::compile(std::string_view text, DoubleStar double_star) {
  std::size_t at = 0;
  while (at < text.size() && valid_) {
    const char c = text[at];
    if (c == '*') {
      ++at;
      if (double_star == DoubleStar::directories && at < text.size() && text[at] == '*') {
        while (at < text.size() && text[at] == '*') {
          ++at;
        }
        at += at < text.size() && text[at] == '/' ? 1 : 0;
        if (at == text.size()) {
          tokens_.push_back({.kind = Kind::rest, .ranges = {}});
        } else {
          tokens_.push_back({.kind = Kind::maybe_directories, .ranges = {}});
          tokens_.push_back({.kind = Kind::directories, .ranges = {}});
        }
      } else {
        tokens_.push_back({.kind = Kind::star, .ranges = {}});
      }
    } else if (c == '?') {
      ++at;
      tokens_.push_back({.kind = Kind::any, .ranges = {}});
    } else if (c == '[') {
      valid_ = compile_set(text, at);
    } else {
      at += c == '\\' ? 1 : 0;
      if (at == text.size()) {
        valid_ = false;
      } else {
        tokens_.push_back({.kind = Kind::character, .character = next_character(text, at), .ranges = {}});
      }
    }
  }
}

bool Pattern::compile_set(std::string_view text, std::size_t& at) {
  Token token{.kind = Kind::set, .ranges = {}};
  ++at;
  if (at < text.size() && text[at] == '^') {
    token.negated = true;
    ++at;
  }
  const auto member = [&](char32_t& value) {
    if (at == text.size() || text[at] == '-' || text[at] == ']') {
      return false;
    }
    at += text[at] == '\\' ? 1 : 0;
    if (at == text.size()) {
      return false;
    }
    value = next_character(text, at);
    return true;
  };
  do {
    char32_t low = 0;
    if (!member(low)) {
      return false;
    }
    char32_t high = low;
    if (at < text.size() && text[at] == '-') {
      ++at;
      if (!member(high)) {
        return false;
      }
    }
    token.ranges.emplace_back(low, high);
  } while (at < text.size() && text[at] != ']');
  if (at == text.size()) {
    return false;
  }
  ++at;
  tokens_.push_back(std::move(token));
  return true;
}

bool Pattern::accepts(const Token& token, char32_t c) const {
  switch (token.kind) {
    case Kind::character:
      return token.character == c;
    case Kind::any:
    case Kind::star:
      return c != '/';
    case Kind::set:
      return c != '/' && token.negated != std::any_of(token.ranges.begin(), token.ranges.end(), [c](const auto& range) {
                           return range.first <= c && c <= range.second;
                         });
    case Kind::rest:
    case Kind::directories:
      return true;
    case Kind::maybe_directories:
      return false;
  }
  return false;
}

// State N: the tokens before N have matched. Tokens that may match nothing are also skipped.
void Pattern::enter(std::vector<char>& states, std::size_t state) const {
  while (states[state] == 0) {
    states[state] = 1;
    if (state == tokens_.size()) {
      return;
    }
    const Kind kind = tokens_[state].kind;
    if (kind == Kind::maybe_directories) {
      states[state + 1] = 1;
      state += 2;
    } else if (kind == Kind::star || kind == Kind::rest) {
      ++state;
    } else {
      return;
    }
  }
}

bool Pattern::matches(std::string_view name) const {
  if (!valid_) {
    return false;
  }
  std::vector<char> now(tokens_.size() + 1, 0);
  std::vector<char> next(tokens_.size() + 1, 0);
  enter(now, 0);
  for (std::size_t at = 0; at < name.size();) {
    const char32_t c = next_character(name, at);
    std::fill(next.begin(), next.end(), 0);
    bool alive = false;
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      if (now[i] == 0 || !accepts(tokens_[i], c)) {
        continue;
      }
      alive = true;
      const Kind kind = tokens_[i].kind;
      if (kind == Kind::directories) {
        next[i] = 1;
        if (c == '/') {
          enter(next, i + 1);
        }
      } else {
        enter(next, kind == Kind::star || kind == Kind::rest ? i : i + 1);
      }
    }
    if (!alive) {
      return false;
    }
    now.swap(next);
  }
  return now[tokens_.size()] != 0;
}

}  // namespace dlc::dockerfile
