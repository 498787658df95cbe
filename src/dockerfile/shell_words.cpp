#include "dockerfile/shell_words.h"

#include <algorithm>
#include <cctype>

#include "dockerfile/text.h"

namespace dlc::dockerfile {

namespace {

/// What the shell gets of some lines, and where each byte of it stands in the file.
struct JoinedLines {
  std::string text;
  std::vector<std::size_t> places;
  std::vector<std::size_t> lines;  ///< byte at which the line of each byte starts
};

/// The line without the escape character that continues it.
std::string_view without_continuation(std::string_view line, char escape) {
  const auto last = line.find_last_not_of(" \t\r");
  const bool continues =
      last != std::string_view::npos && line[last] == escape && (last == 0 || line[last - 1] != escape);
  return continues ? line.substr(0, last) : line;
}

JoinedLines join(std::string_view text, LineRange range, char escape) {
  JoinedLines joined;
  std::size_t begin = 0;
  for (int number = 1; number <= range.last && begin < text.size(); ++number) {
    const auto end = std::min(text.find('\n', begin), text.size());
    const auto line = text.substr(begin, end - begin);
    const auto content = trim(line);
    // Docker takes comments and empty lines between the lines of an instruction out
    if (number == range.first || (number > range.first && !content.empty() && content.front() != '#')) {
      const auto kept = without_continuation(line, escape);
      joined.text += kept;
      for (std::size_t i = 0; i < kept.size(); ++i) {
        joined.places.push_back(begin + i);
        joined.lines.push_back(begin);
      }
    }
    begin = end + 1;
  }
  return joined;
}

bool is_separator(char c) {
  return c == ';' || c == '&' || c == '|' || c == ')' || c == '(';
}

bool is_redirection(char c) {
  return c == '<' || c == '>';
}

class Lexer {
 public:
  explicit Lexer(const JoinedLines& lines) : lines_(lines), text_(lines.text) {}

  std::vector<ShellWord> words() {
    while (true) {
      while (at_ < text_.size() && is_blank(text_[at_])) {
        ++at_;
      }
      if (at_ >= text_.size()) {
        return std::move(found_);
      }
      next();
    }
  }

 private:
  using Kind = ShellWord::Kind;

  void next() {
    const auto begin = at_;
    unreadable_ = nullptr;
    const auto digits = std::min(text_.find_first_not_of("0123456789", at_), text_.size());
    if (text_[at_] == '#') {
      at_ = text_.size();
      add(Kind::comment, begin);
    } else if (is_separator(text_[at_])) {
      at_ = std::min(text_.find_first_not_of(";&|()", at_), text_.size());
      add(Kind::separator, begin);
    } else if (digits < text_.size() && is_redirection(text_[digits]) && !starts_substitution(digits)) {
      at_ = digits;
      redirection();
      add(Kind::redirection, begin);
    } else {
      word();
      add(Kind::word, begin);
    }
  }

  /// "<(" and ">(" of bash.
  [[nodiscard]] bool starts_substitution(std::size_t at) const {
    return is_redirection(text_[at]) && at + 1 < text_.size() && text_[at + 1] == '(';
  }

  void redirection() {
    at_ = std::min(text_.find_first_not_of("<>", at_), text_.size());
    if (at_ < text_.size() && (text_[at_] == '&' || text_[at_] == '|')) {
      ++at_;
    }
    at_ = std::min(text_.find_first_not_of(" \t", at_), text_.size());
    word();
  }

  void word() {
    while (at_ < text_.size() && !is_blank(text_[at_]) && !is_separator(text_[at_]) &&
           (!is_redirection(text_[at_]) || starts_substitution(at_))) {
      piece();
    }
  }

  /// One character of a word, or all that its quotes or brackets hold.
  void piece() {
    const char c = text_[at_];
    const char following = at_ + 1 < text_.size() ? text_[at_ + 1] : '\0';
    if (c == '\\') {
      at_ = std::min(at_ + 2, text_.size());
    } else if (c == '\'') {
      skip_past(text_.find('\'', at_ + 1));
    } else if (c == '"') {
      double_quotes();
    } else if (c == '`') {
      backquotes();
    } else if (following == '(' && (c == '$' || is_redirection(c))) {
      ++at_;
      unreadable_ = "a command substitution";
      brackets('(', ')');
    } else if (following == '{' && c == '$') {
      ++at_;
      brackets('{', '}');
    } else {
      ++at_;
    }
  }

  void skip_past(std::size_t last) {
    if (last == std::string_view::npos) {
      unreadable_ = "a quote that does not end";
    }
    at_ = last == std::string_view::npos ? text_.size() : last + 1;
  }

  void double_quotes() {
    ++at_;
    while (at_ < text_.size() && text_[at_] != '"') {
      if (text_[at_] == '\'') {
        ++at_;  // an ordinary character here
      } else {
        piece();
      }
    }
    skip_past(at_ < text_.size() ? at_ : std::string_view::npos);
  }

  void backquotes() {
    ++at_;
    while (at_ < text_.size() && text_[at_] != '`') {
      at_ += text_[at_] == '\\' ? 2 : 1;
    }
    skip_past(at_ < text_.size() ? at_ : std::string_view::npos);
    unreadable_ = "a command substitution";
  }

  void brackets(char open, char close) {
    int depth = 0;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == open || c == close) {
        depth += c == open ? 1 : -1;
        ++at_;
      } else {
        piece();
      }
      if (depth == 0) {
        return;
      }
    }
    unreadable_ = "a bracket that does not end";
  }

  void add(Kind kind, std::size_t begin) {
    at_ = std::min(at_, text_.size());
    found_.push_back({.kind = kind,
                      .text = std::string(text_.substr(begin, at_ - begin)),
                      .begin = lines_.places[begin],
                      .end = lines_.places[at_ - 1] + 1,
                      .line = lines_.lines[begin],
                      .unreadable = unreadable_});
  }

  const JoinedLines& lines_;
  std::string_view text_;
  std::size_t at_ = 0;
  const char* unreadable_ = nullptr;
  std::vector<ShellWord> found_;
};

}  // namespace

std::vector<ShellWord> shell_words(std::string_view text, LineRange lines, char escape) {
  const auto joined = join(text, lines, escape);
  return Lexer(joined).words();
}

}  // namespace dlc::dockerfile
