#include "contents/python_requirement.h"

#include <algorithm>

#include "contents/packages.h"
#include "contents/python_version.h"
#include "contents/text_lines.h"

namespace dlc::contents {

namespace {

constexpr int kMaxDepth = 50;

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

/// Recursive descent over: or_test = and_test ("or" and_test)*; and_test = test ("and" test)*; test = "(" or_test ")" |
/// value operator value.
class MarkerParser {
 public:
  MarkerParser(std::string_view text, const MarkerEnvironment& environment) : rest_(text), environment_(environment) {}

  std::optional<bool> parse() {
    const bool value = any(0);
    skip();
    return failed_ || !rest_.empty() ? std::nullopt : std::optional(value);
  }

 private:
  void skip() { rest_ = rest_.substr(std::min(rest_.size(), rest_.find_first_not_of(" \t\r\n"))); }

  bool take(std::string_view word) {
    skip();
    const bool letters = is_name_character(word.front());
    if (!rest_.starts_with(word) || (letters && rest_.size() > word.size() && is_name_character(rest_[word.size()]))) {
      return false;
    }
    rest_.remove_prefix(word.size());
    return true;
  }

  bool any(int depth) {
    bool value = all(depth);
    while (!failed_ && take("or")) {
      value = all(depth) || value;
    }
    return value;
  }

  bool all(int depth) {
    bool value = test(depth);
    while (!failed_ && take("and")) {
      value = test(depth) && value;
    }
    return value;
  }

  bool test(int depth) {
    if (depth > kMaxDepth) {
      failed_ = true;
      return false;
    }
    if (take("(")) {
      const bool value = any(depth + 1);
      failed_ = failed_ || !take(")");
      return value;
    }
    const auto left = value();
    const auto op = operation();
    const auto right = value();
    return !failed_ && compare(left, op, right);
  }

  struct Value {
    std::string text;
    std::string variable;
  };

  Value value() {
    skip();
    if (!rest_.empty() && (rest_.front() == '\'' || rest_.front() == '"')) {
      const auto end = rest_.find(rest_.front(), 1);
      if (end == std::string_view::npos) {
        failed_ = true;
        return {};
      }
      const std::string text(rest_.substr(1, end - 1));
      rest_.remove_prefix(end + 1);
      return {text, ""};
    }
    const auto end = std::ranges::find_if_not(rest_, is_name_character) - rest_.begin();
    const std::string name(rest_.substr(0, static_cast<std::size_t>(end)));
    rest_.remove_prefix(name.size());
    const auto found = environment_.find(name);
    failed_ = failed_ || found == environment_.end();
    return {failed_ ? "" : found->second, name};
  }

  std::string operation() {
    for (const char* op : {"===", "~=", "==", "!=", "<=", ">=", "<", ">", "in"}) {
      if (take(op)) {
        return op;
      }
    }
    if (take("not") && take("in")) {
      return "not in";
    }
    failed_ = true;
    return "";
  }

  static bool compare(const Value& left, const std::string& op, const Value& right) {
    if (op == "in" || op == "not in") {
      return (right.text.find(left.text) != std::string::npos) == (op == "in");
    }
    if (left.variable == "extra" || right.variable == "extra") {
      return (normalized_name(left.text) == normalized_name(right.text)) == (op == "==");
    }
    if (PythonVersion::parse(left.text) && PythonVersion::parse(replaced(right.text, {".*"}, ""))) {
      return allows(op + right.text, left.text);
    }
    if (op == "==" || op == "===") {
      return left.text == right.text;
    }
    return op == "!="   ? left.text != right.text
           : op == "<"  ? left.text < right.text
           : op == ">"  ? left.text > right.text
           : op == "<=" ? left.text <= right.text
                        : op == ">=" && left.text >= right.text;
  }

  std::string_view rest_;
  const MarkerEnvironment& environment_;
  bool failed_ = false;
};

std::string_view machine_of(std::string_view architecture) {
  return architecture == "amd64"   ? "x86_64"
         : architecture == "arm64" ? "aarch64"
         : architecture == "386"   ? "i686"
                                   : architecture;
}

}  // namespace

std::optional<PythonRequirement> parse_requirement(std::string_view text) {
  PythonRequirement result;
  const auto semicolon = text.find(';');
  if (semicolon != std::string_view::npos) {
    result.marker = trim(text.substr(semicolon + 1));
  }
  text = trim(text.substr(0, semicolon));
  const auto end = static_cast<std::size_t>(std::ranges::find_if_not(text, is_name_character) - text.begin());
  result.name = normalized_name(text.substr(0, end));
  text = trim(text.substr(end));
  if (result.name.empty()) {
    return std::nullopt;
  }
  if (text.starts_with('[')) {
    const auto close = text.find(']');
    if (close == std::string_view::npos) {
      return std::nullopt;
    }
    for (const auto extra : split(text.substr(1, close - 1), ",")) {
      result.extras.push_back(normalized_name(extra));
    }
    text = trim(text.substr(close + 1));
  }
  if (text.starts_with('@')) {
    result.url = trim(text.substr(1));
    return result;
  }
  if (text.starts_with('(') && text.ends_with(')')) {
    text = trim(text.substr(1, text.size() - 2));
  }
  if (!text.empty() && std::string_view("<>=!~").find(text.front()) == std::string_view::npos) {
    return std::nullopt;
  }
  result.specifiers = text;
  return result;
}

MarkerEnvironment linux_cpython(const std::string& version, std::string_view architecture) {
  const auto parsed = PythonVersion::parse(version);
  auto full = version;
  if (parsed && parsed->release.size() == 2) {
    full += ".0";
  }
  const auto second = version.find('.', version.find('.') + 1);
  return {{"python_version", version.substr(0, second)},
          {"python_full_version", full},
          {"implementation_version", full},
          {"implementation_name", "cpython"},
          {"platform_python_implementation", "CPython"},
          {"os_name", "posix"},
          {"sys_platform", "linux"},
          {"platform_system", "Linux"},
          {"platform_machine", std::string(machine_of(architecture))},
          {"platform_release", ""},
          {"platform_version", ""},
          {"extra", ""}};
}

std::optional<bool> evaluate_marker(std::string_view marker, const MarkerEnvironment& environment) {
  return trim(marker).empty() ? std::optional(true) : MarkerParser(marker, environment).parse();
}

}  // namespace dlc::contents
