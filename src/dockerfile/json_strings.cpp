// JSON arrays of strings, the exec form's notation. Only what is needed: any other JSON value inside is recognised so
// that "an array, but not of strings" can be told from "not JSON at all", which is shell form.
#include "base/error.h"
#include "dockerfile/syntax.h"
#include "dockerfile/text.h"

namespace dlc::dockerfile {
namespace {

constexpr int kMaxDepth = 1000;
constexpr std::string_view kReplacement = "\xef\xbf\xbd";

void append_utf8(std::string& out, char32_t c) {
  const auto put = [&out](char32_t byte) { out += static_cast<char>(byte); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xc0 | c >> 6);
    put(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    put(0xe0 | c >> 12);
    put(0x80 | (c >> 6 & 0x3f));
    put(0x80 | (c & 0x3f));
  } else {
    put(0xf0 | c >> 18);
    put(0x80 | (c >> 12 & 0x3f));
    put(0x80 | (c >> 6 & 0x3f));
    put(0x80 | (c & 0x3f));
  }
}

// Each function reads one construct at `at_` and returns whether it was well-formed.
class JsonReader {
 public:
  explicit JsonReader(std::string_view text) : text_(text) {}

  // The same, and nothing behind the array.
  bool read_text(std::vector<std::string>& strings, bool& only_strings) {
    if (!read_array(strings, only_strings)) {
      return false;
    }
    skip_blanks();
    return at_ == text_.size();
  }

 private:
  // The array's strings; `only_strings` tells whether other values stood among them.
  bool read_array(std::vector<std::string>& strings, bool& only_strings) {
    ++at_;  // '['
    skip_blanks();
    if (take(']')) {
      return true;
    }
    while (true) {
      skip_blanks();
      if (peek() == '"') {
        std::string text;
        if (!read_string(text)) {
          return false;
        }
        strings.push_back(std::move(text));
      } else if (read_value(0)) {
        only_strings = false;
      } else {
        return false;
      }
      skip_blanks();
      if (take(']')) {
        return true;
      }
      if (!take(',')) {
        return false;
      }
    }
  }

  [[nodiscard]] char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool take(char c) {
    if (peek() != c) {
      return false;
    }
    ++at_;
    return true;
  }
  void skip_blanks() {
    while (peek() == ' ' || peek() == '\t' || peek() == '\n' || peek() == '\r') {
      ++at_;
    }
  }

  bool read_hex(char32_t& value) {
    value = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      const char c = to_lower(peek());
      const bool digit = c >= '0' && c <= '9';
      if (!digit && (c < 'a' || c > 'f')) {
        return false;
      }
      value = value << 4 | static_cast<char32_t>(digit ? c - '0' : c - 'a' + 10);
    }
    return true;
  }

  bool read_unicode_escape(std::string& out) {
    char32_t value = 0;
    if (!read_hex(value)) {
      return false;
    }
    if (value >= 0xd800 && value < 0xdc00 && text_.substr(at_).starts_with("\\u")) {
      const std::size_t before = at_;
      at_ += 2;
      char32_t low = 0;
      if (!read_hex(low)) {
        return false;
      }
      if (low >= 0xdc00 && low < 0xe000) {
        append_utf8(out, 0x10000 + ((value - 0xd800) << 10) + (low - 0xdc00));
        return true;
      }
      at_ = before;
    }
    if (value >= 0xd800 && value < 0xe000) {
      out += kReplacement;
    } else {
      append_utf8(out, value);
    }
    return true;
  }

  bool read_string(std::string& out) {
    ++at_;  // '"'
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == '"') {
        return true;
      }
      if (static_cast<unsigned char>(c) < 0x20) {
        return false;
      }
      if (c != '\\') {
        out += c;
        continue;
      }
      static constexpr std::string_view kNames = "\"\\/bfnrt";
      static constexpr std::string_view kValues = "\"\\/\b\f\n\r\t";
      const char name = peek();
      ++at_;
      if (name == 'u') {
        if (!read_unicode_escape(out)) {
          return false;
        }
      } else if (const std::size_t i = name == '\0' ? std::string_view::npos : kNames.find(name);
                 i != std::string_view::npos) {
        out += kValues[i];
      } else {
        return false;
      }
    }
    return false;
  }

  bool read_word(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) {
      return false;
    }
    at_ += word.size();
    return true;
  }

  bool read_digits() {
    const std::size_t start = at_;
    while (peek() >= '0' && peek() <= '9') {
      ++at_;
    }
    return at_ > start;
  }

  bool read_number() {
    take('-');
    if (!take('0') && !read_digits()) {
      return false;
    }
    if (take('.') && !read_digits()) {
      return false;
    }
    if (peek() == 'e' || peek() == 'E') {
      ++at_;
      if (peek() == '+' || peek() == '-') {
        ++at_;
      }
      return read_digits();
    }
    return true;
  }

  bool read_members(char end, bool keyed, int depth) {
    ++at_;
    skip_blanks();
    if (take(end)) {
      return true;
    }
    while (true) {
      skip_blanks();
      if (keyed) {
        std::string key;
        if (peek() != '"' || !read_string(key)) {
          return false;
        }
        skip_blanks();
        if (!take(':')) {
          return false;
        }
        skip_blanks();
      }
      if (!read_value(depth)) {
        return false;
      }
      skip_blanks();
      if (take(end)) {
        return true;
      }
      if (!take(',')) {
        return false;
      }
    }
  }

  bool read_value(int depth) {
    if (depth > kMaxDepth) {
      return false;
    }
    std::string text;
    switch (peek()) {
      case '"':
        return read_string(text);
      case '[':
        return read_members(']', false, depth + 1);
      case '{':
        return read_members('}', true, depth + 1);
      case 't':
        return read_word("true");
      case 'f':
        return read_word("false");
      case 'n':
        return read_word("null");
      default:
        return read_number();
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

std::optional<std::vector<std::string>> parse_json_strings(std::string_view text) {
  text = trim_left(text);
  if (!text.starts_with('[')) {
    return std::nullopt;
  }
  std::vector<std::string> strings;
  bool only_strings = true;
  if (!JsonReader(text).read_text(strings, only_strings)) {
    return std::nullopt;
  }
  if (!only_strings) {
    throw Error(ErrorKind::invalid, "when using JSON array syntax, arrays must be comprised of strings only");
  }
  return strings;
}

}  // namespace dlc::dockerfile
