// One instruction's line: keyword, flags, arguments; and their printed form.
#include <algorithm>
#include <array>
#include <utility>

#include "base/error.h"
#include "dockerfile/syntax_internal.h"
#include "dockerfile/text.h"
#include "dockerfile/utf8.h"

namespace dlc::dockerfile {
namespace {

[[noreturn]] void fail(const std::string& message) {
  throw Error(ErrorKind::invalid, message);
}

std::size_t find_blank(std::string_view text) {
  const auto at = std::find_if(text.begin(), text.end(), is_blank);
  return static_cast<std::size_t>(at - text.begin());
}

// One flag from the front of `text`: quotes group, the escape character quotes one character.
std::string take_flag(std::string_view& text, char escape) {
  std::string flag;
  char quote_mark = '\0';
  std::size_t at = 0;
  for (; at < text.size(); ++at) {
    char c = text[at];
    if (quote_mark == '\0' && is_blank(c)) {
      break;
    }
    if (c == quote_mark) {
      quote_mark = '\0';
    } else if (quote_mark == '\0' && (c == '\'' || c == '"')) {
      quote_mark = c;
    } else {
      if (c == escape) {
        if (++at == text.size()) {
          break;
        }
        c = text[at];
      }
      flag += c;
    }
  }
  text.remove_prefix(std::min(at, text.size()));
  return flag;
}

// Flags stand between keyword and arguments; "--" alone ends them.
std::vector<std::string> take_flags(std::string_view& text, char escape) {
  std::vector<std::string> flags;
  while (true) {
    text = trim_left(text);
    if (!text.starts_with("--")) {
      return flags;
    }
    std::string flag = take_flag(text, escape);
    if (flag == "--") {
      return flags;
    }
    flags.push_back(std::move(flag));
  }
}

std::vector<std::string> split_blanks(std::string_view text) {
  std::vector<std::string> words;
  while (!(text = trim_left(text)).empty()) {
    const std::size_t end = find_blank(text);
    words.emplace_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return words;
}

void parse_json_or(Node& node, std::string_view rest, auto&& otherwise) {
  if (auto strings = parse_json_strings(rest)) {
    node.json = true;
    node.args.insert(node.args.end(), std::make_move_iterator(strings->begin()),
                     std::make_move_iterator(strings->end()));
  } else {
    otherwise();
  }
}

void parse_key_values(Node& node, char escape) {
  const std::vector<std::string> words = split_words(node.rest, escape);
  if (words.empty()) {
    return;
  }
  if (words.front().find('=') == std::string::npos) {
    const std::size_t end = find_blank(node.rest);
    if (end == node.rest.size()) {
      fail(upper(node.name) + " must have two arguments");
    }
    node.args = {node.rest.substr(0, end), std::string(trim_left(std::string_view(node.rest).substr(end))), ""};
    return;
  }
  for (const std::string& word : words) {
    const std::size_t equals = word.find('=');
    if (equals == std::string::npos) {
      fail("Syntax error - can't find = in " + quote(word) + ". Must be of the form: name=value");
    }
    node.args.insert(node.args.end(), {word.substr(0, equals), word.substr(equals + 1), "="});
  }
}

void parse_health_check(Node& node) {
  const std::size_t end = find_blank(node.rest);
  node.args.push_back(node.rest.substr(0, end));
  const std::string_view command = trim_left(std::string_view(node.rest).substr(end));
  if (!command.empty()) {
    parse_json_or(node, command, [&] { node.args.emplace_back(command); });
  }
}

enum class Form { unknown, words, list, json_or_line, json_or_words, key_values, line, health, trigger };

Form form_of(std::string_view name) {
  static constexpr std::array<std::pair<std::string_view, Form>, 18> kForms{{{"add", Form::json_or_words},
                                                                             {"arg", Form::words},
                                                                             {"cmd", Form::json_or_line},
                                                                             {"copy", Form::json_or_words},
                                                                             {"entrypoint", Form::json_or_line},
                                                                             {"env", Form::key_values},
                                                                             {"expose", Form::list},
                                                                             {"from", Form::list},
                                                                             {"healthcheck", Form::health},
                                                                             {"label", Form::key_values},
                                                                             {"maintainer", Form::line},
                                                                             {"onbuild", Form::trigger},
                                                                             {"run", Form::json_or_line},
                                                                             {"shell", Form::json_or_line},
                                                                             {"stopsignal", Form::line},
                                                                             {"user", Form::line},
                                                                             {"volume", Form::json_or_words},
                                                                             {"workdir", Form::line}}};
  const auto* const found =
      std::find_if(kForms.begin(), kForms.end(), [name](const auto& entry) { return entry.first == name; });
  return found == kForms.end() ? Form::unknown : found->second;
}

void parse_arguments(Node& node, char escape) {
  switch (form_of(node.name)) {
    case Form::unknown:
      break;
    case Form::words:
      node.args = split_words(node.rest, escape);
      break;
    case Form::list:
      node.args = split_blanks(node.rest);
      break;
    case Form::json_or_line:
      parse_json_or(node, node.rest, [&] { node.args.push_back(node.rest); });
      break;
    case Form::json_or_words:
      parse_json_or(node, node.rest, [&] { node.args = split_blanks(node.rest); });
      break;
    case Form::key_values:
      parse_key_values(node, escape);
      break;
    case Form::line:
      node.args.push_back(node.rest);
      break;
    case Form::health:
      parse_health_check(node);
      break;
    case Form::trigger:
      node.trigger.push_back(make_node(node.rest, escape));
      break;
  }
}

std::string sexpr(const Node& node) {
  std::string text = "(" + node.name;
  if (!node.flags.empty()) {
    std::string flags;
    for (const std::string& flag : node.flags) {
      flags += (flags.empty() ? "" : " ") + quote(flag);
    }
    text += " [" + flags + "]";
  }
  for (const Node& trigger : node.trigger) {
    text += " " + sexpr(trigger);
  }
  for (const std::string& arg : node.args) {
    text += " " + quote(arg);
  }
  if (form_of(node.name) == Form::unknown) {
    text += " " + quote("");
  }
  return text + ")";
}

}  // namespace

std::vector<std::string> split_words(std::string_view text, char escape) {
  std::vector<std::string> words;
  std::string word;
  char quote_mark = '\0';
  bool in_word = false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (quote_mark == '\0' && is_blank(c)) {
      if (in_word) {
        words.push_back(std::exchange(word, {}));
      }
      in_word = false;
      continue;
    }
    if (c == escape && quote_mark != '\'') {
      if (at + 1 == text.size()) {
        break;  // a lone escape at the end is dropped
      }
      in_word = true;
      word += c;
      word += text[++at];
      continue;
    }
    if (c == quote_mark) {
      quote_mark = '\0';
    } else if (quote_mark == '\0' && (c == '\'' || c == '"')) {
      quote_mark = c;
    }
    in_word = true;
    word += c;
  }
  if (in_word) {
    words.push_back(std::move(word));
  }
  return words;
}

Node make_node(std::string_view line, char escape) {
  Node node;
  node.original = line;
  std::string_view text = trim(line);
  const std::size_t end = find_blank(text);
  node.keyword = text.substr(0, end);
  node.name = lower(node.keyword);
  text = trim_left(text.substr(end));
  node.flags = take_flags(text, escape);
  node.rest = trim(text);
  if (!node.rest.empty()) {
    // ONBUILD nests once only; deeper nesting is refused here, before it can recurse.
    if (node.name == "onbuild" && lower(node.rest.substr(0, find_blank(node.rest))) == "onbuild") {
      fail("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
    }
    parse_arguments(node, escape);
  }
  return node;
}

std::string to_sexpr(const Syntax& syntax) {
  std::string text;
  for (const Node& node : syntax.nodes) {
    text += sexpr(node) + "\n";
  }
  return text;
}

std::string quote(std::string_view text) {
  static constexpr std::string_view kHex = "0123456789abcdef";
  std::string result = "\"";
  for (std::size_t at = 0; at < text.size();) {
    const std::string_view character = take_character(text, at);
    const char32_t c = code_point(character);
    static constexpr std::string_view kEscaped = "\a\b\f\n\r\t\v\"\\";
    static constexpr std::string_view kLetters = "abfnrtv\"\\";
    if (const std::size_t i = c < 0x80 ? kEscaped.find(static_cast<char>(c)) : std::string_view::npos;
        i != std::string_view::npos) {
      result += {'\\', kLetters[i]};
    } else if (is_printable(c)) {
      result += character;
    } else if (c < 0x80 || c > 0x10ffff) {  // a control character, or a byte that is no UTF-8
      const auto byte = static_cast<unsigned char>(character.front());
      result += {'\\', 'x', kHex[byte >> 4U], kHex[byte & 0xfU]};
    } else {
      const int digits = c > 0xffff ? 8 : 4;
      result += digits == 8 ? "\\U" : "\\u";
      for (int digit = digits - 1; digit >= 0; --digit) {
        result += kHex[(c >> (4 * static_cast<unsigned>(digit))) & 0xfU];
      }
    }
  }
  return result + "\"";
}

}  // namespace dlc::dockerfile
