#include "contents/text_lines.h"

#include <algorithm>

namespace dlc::contents {

std::string_view trim(std::string_view text) noexcept {
  constexpr std::string_view kBlanks = " \t\r\n";
  const auto first = text.find_first_not_of(kBlanks);
  return first == std::string_view::npos ? std::string_view()
                                         : text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line.ends_with('\r')) {
      line.remove_suffix(1);
    }
    lines.push_back(line);
  }
  return lines;
}

std::vector<std::string_view> split(std::string_view text, std::string_view separators) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const auto part = text.substr(0, text.find_first_of(separators));
    text.remove_prefix(std::min(text.size(), part.size() + 1));
    if (!part.empty()) {
      parts.push_back(part);
    }
  }
  return parts;
}

std::string replaced(std::string text, std::initializer_list<std::string_view> words, std::string_view replacement) {
  for (const auto word : words) {
    for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + replacement.size())) {
      text.replace(at, word.size(), replacement);
    }
  }
  return text;
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (auto& c : result) {
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return result;
}

Fields next_fields(std::string_view& text) {
  Fields fields;
  while (!text.empty()) {
    const auto line = text.substr(0, text.find('\n'));
    const bool ends = trim(line).empty();
    if (ends && !fields.empty()) {
      return fields;
    }
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (ends) {
      continue;
    }
    const auto colon = line.find(':');
    if (line.front() == ' ' || line.front() == '\t') {
      if (!fields.empty()) {
        fields.back().second += "\n" + std::string(trim(line));
      }
    } else if (colon != std::string_view::npos) {
      fields.emplace_back(line.substr(0, colon), trim(line.substr(colon + 1)));
    }
  }
  return fields;
}

std::vector<std::string> all_fields(const Fields& fields, std::string_view name) {
  std::vector<std::string> values;
  const auto wanted = lower(name);
  for (const auto& [key, value] : fields) {
    if (lower(key) == wanted) {
      values.push_back(value);
    }
  }
  return values;
}

std::string field(const Fields& fields, std::string_view name) {
  const auto values = all_fields(fields, name);
  return values.empty() ? std::string() : values.front();
}

}  // namespace dlc::contents
