#include "dockerfile/word.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "dockerfile/shell_pattern.h"
#include "dockerfile/syntax.h"
#include "dockerfile/text.h"
#include "dockerfile/utf8.h"

namespace dlc::dockerfile {
namespace {

[[noreturn]] void fail(std::string message) {
  throw Error(ErrorKind::invalid, std::move(message));
}

// Gathers the words beside the text: blanks end a word only where they are neither quoted nor escaped.
class Words {
 public:
  void add(std::string_view text) {
    for (const char c : text) {
      if (!is_blank(c)) {
        word_ += c;
      } else if (!word_.empty()) {
        words_.push_back(std::exchange(word_, {}));
      }
    }
  }
  void add_quoted(std::string_view text) { word_ += text; }
  [[nodiscard]] std::vector<std::string> take() {
    if (!word_.empty()) {
      words_.push_back(std::exchange(word_, {}));
    }
    return std::move(words_);
  }

 private:
  std::string word_;
  std::vector<std::string> words_;
};

// One pass over the text. Nested words (the w of ${name:-w}) are read by the same reader, up to their stop character.
class Expander {
 public:
  Expander(std::string_view text, const VariableLookup& variables, const ExpandOptions& options)
      : text_(text), variables_(variables), options_(options), raw_escapes_(options.raw_escapes) {}

  Expansion run() {
    Expansion result;
    Words words;
    try {
      result.text = read_until('\0', &words);
    } catch (const Error& error) {  // BuildKit's words, which users search for
      fail("failed to process " + quote(text_) + ": " + error.message());
    }
    result.words = words.take();
    result.unset = std::move(unset_);
    return result;
  }

 private:
  static constexpr int kMaxDepth = 100;
  static constexpr std::size_t kMaxBytes = 16 << 20;  // `ENV A=$A$A` a few dozen times would take all memory

  [[nodiscard]] bool at_end() const { return at_ == text_.size(); }
  [[nodiscard]] char peek() const { return at_end() ? '\0' : text_[at_]; }

  // '\0': up to the end. Sets `missing_stop_` and returns what there was where the stop character is missing.
  std::string read_until(char stop, Words* words) {
    if (++depth_ > kMaxDepth) {
      fail("syntax error: substitutions nested too deeply");
    }
    std::string result;
    while (!at_end()) {
      const char c = text_[at_];
      if (stop != '\0' && c == stop) {
        ++at_;
        --depth_;
        return result;
      }
      std::string part;
      bool quoted = true;
      if (c == '\'' && !options_.skip_quotes) {
        part = read_single_quoted();
      } else if (c == '"' && !options_.skip_quotes) {
        part = read_double_quoted();
      } else if (c == '$') {
        part = read_dollar();
        quoted = false;
      } else if (c == '<') {
        part = read_angle();
      } else if (c == options_.escape) {
        ++at_;
        part = raw_escapes_ ? std::string(1, c) : std::string();
        part += at_end() ? std::string_view() : take_character(text_, at_);
      } else {
        part = take_character(text_, at_);
        quoted = false;
      }
      result += part;
      if (result.size() > kMaxBytes) {
        fail("the expanded text is longer than 16 MiB");
      }
      if (words != nullptr) {
        quoted ? words->add_quoted(part) : words->add(part);
      }
    }
    missing_stop_ = stop != '\0';
    --depth_;
    return result;
  }

  // "<<" holds on to the blanks behind it, as a heredoc's name may have some in front.
  std::string read_angle() {
    const std::size_t start = at_++;
    if (peek() == '<') {
      ++at_;
      while (!at_end() && is_blank(text_[at_])) {
        ++at_;
      }
    }
    return std::string(text_.substr(start, at_ - start));
  }

  std::string read_single_quoted() {
    const std::size_t end = text_.find('\'', at_ + 1);
    if (end == std::string_view::npos) {
      fail("unexpected end of statement while looking for matching single-quote");
    }
    const std::string_view inner = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    return options_.raw_quotes ? "'" + std::string(inner) + "'" : std::string(inner);
  }

  std::string read_double_quoted() {
    std::string result = options_.raw_quotes ? "\"" : "";
    ++at_;
    while (true) {
      if (at_end()) {
        fail("unexpected end of statement while looking for matching double-quote");
      }
      const char c = text_[at_];
      if (c == '"') {
        ++at_;
        return options_.raw_quotes ? result + '"' : result;
      }
      if (c == '$') {
        result += read_dollar();
        continue;
      }
      ++at_;
      const char next = peek();
      const bool escapes = c == options_.escape;
      if (escapes && (next == '"' || next == '$' || next == options_.escape)) {
        result += raw_escapes_ ? std::string{c, next} : std::string(1, next);
        ++at_;
      } else if (!escapes || !at_end()) {
        // Before any other character an escape stands for itself: raw, it is an escaped escape.
        result.append(escapes && raw_escapes_ ? 2 : 1, c);
      }
    }
  }

  std::string read_name() {
    const std::size_t start = at_;
    if (at_end()) {
      return {};
    }
    const char first = text_[at_];
    if (first >= '0' && first <= '9') {
      while (!at_end() && text_[at_] >= '0' && text_[at_] <= '9') {
        ++at_;
      }
      return std::string(text_.substr(start, at_ - start));
    }
    if (std::string_view("@*#?-$!").find(first) != std::string_view::npos) {
      ++at_;
      return std::string(1, first);
    }
    while (!at_end()) {
      std::size_t next = at_;
      const std::string_view character = take_character(text_, next);
      if (!is_name_character(character)) {
        break;
      }
      at_ = next;
    }
    return std::string(text_.substr(start, at_ - start));
  }

  std::optional<std::string> look_up(const std::string& name) { return variables_(name); }

  std::string read_dollar() {
    const std::size_t start = at_++;
    if (peek() == '{') {
      ++at_;
      return read_braces(start);
    }
    const std::string name = read_name();
    if (name.empty()) {
      return "$";
    }
    return plain_value(name, start);
  }

  std::string plain_value(const std::string& name, std::size_t start) {
    if (auto value = look_up(name)) {
      return *std::move(value);
    }
    unset_.insert(name);
    return options_.skip_unset ? std::string(text_.substr(start, at_ - start)) : std::string();
  }

  std::string read_part(char stop, bool raw_escapes, const char* missing) {
    const bool before = std::exchange(raw_escapes_, raw_escapes || raw_escapes_);
    std::string part = read_until(stop, nullptr);
    raw_escapes_ = before;
    if (missing_stop_) {
      fail(missing);
    }
    return part;
  }

  std::string read_braces(std::size_t start) {
    if (peek() == '{' || peek() == '}' || peek() == ':') {
      fail("syntax error: bad substitution");
    }
    const std::string name = read_name();
    if (at_end()) {
      fail("syntax error: missing '}'");
    }
    std::string modifier(take_character(text_, at_));
    if (modifier == "}") {
      return plain_value(name, start);
    }
    if (modifier == "/") {
      return replaced(name, start);
    }
    const bool empty_is_unset = modifier == ":";
    if (empty_is_unset && !at_end()) {
      modifier += take_character(text_, at_);
    }
    const char kind = modifier.back();
    const bool trims = kind == '#' || kind == '%';
    if (std::string_view("+-?#%").find(kind) == std::string_view::npos || (trims && empty_is_unset)) {
      fail("unsupported modifier (" + modifier + ") in substitution");
    }
    std::string word = read_part('}', trims, "syntax error: missing '}'");
    const auto value = look_up(name);
    if (!value) {
      unset_.insert(name);
      if (options_.skip_unset) {
        return std::string(text_.substr(start, at_ - start));
      }
    }
    return trims ? trimmed(value, kind, word) : conditional(name, value, kind, empty_is_unset, std::move(word));
  }

  static std::string conditional(const std::string& name, const std::optional<std::string>& value, char kind,
                                 bool empty_is_unset, std::string word) {
    const bool missing = !value || (empty_is_unset && value->empty());
    if (kind == '+') {
      return missing ? std::string() : std::move(word);
    }
    if (!missing) {
      return *value;
    }
    if (kind == '-') {
      return word;
    }
    const char* reason = value ? "is not allowed to be empty" : "is not allowed to be unset";
    fail(name + ": " + (word.empty() ? reason : word));
  }

  static std::string trimmed(const std::optional<std::string>& value, char kind, std::string_view word) {
    if (!value) {
      return {};
    }
    const bool longest = word.starts_with(kind);
    const ShellPattern pattern(longest ? word.substr(1) : word);
    return std::string(kind == '#' ? pattern.without_prefix(*value, longest) : pattern.without_suffix(*value, longest));
  }

  std::string replaced(const std::string& name, std::size_t start) {
    const bool all = peek() == '/';
    at_ += all ? 1 : 0;
    const std::string word = read_part('/', true, "syntax error: missing '/' in ${");
    const std::string replacement = read_part('}', true, "syntax error: missing '}'");
    const auto value = look_up(name);
    if (!value) {
      unset_.insert(name);
      return options_.skip_unset ? std::string(text_.substr(start, at_ - start)) : std::string();
    }
    return ShellPattern(word).replace(*value, replacement, all);
  }

  std::string_view text_;
  const VariableLookup& variables_;
  const ExpandOptions& options_;
  bool raw_escapes_;
  bool missing_stop_ = false;
  int depth_ = 0;
  std::size_t at_ = 0;
  std::set<std::string> unset_;
};

}  // namespace

Expansion expand(std::string_view word, const VariableLookup& variables, const ExpandOptions& options) {
  return Expander(word, variables, options).run();
}

std::string expand_word(std::string_view word, const VariableLookup& variables, const ExpandOptions& options) {
  return Expander(word, variables, options).run().text;
}

}  // namespace dlc::dockerfile
