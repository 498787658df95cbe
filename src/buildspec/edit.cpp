#include "buildspec/edit.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "buildspec/text_place.h"

namespace dlc::buildspec {

namespace {

Error error_at(const Document& document, const Position& at, std::string message) {
  return std::move(Error(ErrorKind::invalid, std::move(message)).at(document.location(at)));
}

/// The bytes that a quoted scalar takes, from its first quote on; 0 where it does not end in its line.
std::size_t quoted_size(std::string_view text) {
  const char quote = text.front();
  for (std::size_t i = 1; i < text.size() && text[i] != '\n'; ++i) {
    if (quote == '"' && text[i] == '\\') {
      ++i;
    } else if (text[i] == quote && quote == '\'' && i + 1 < text.size() && text[i + 1] == quote) {
      ++i;  // '' is one quote
    } else if (text[i] == quote) {
      return i + 1;
    }
  }
  return 0;
}

std::string double_quoted(std::string_view value) {
  std::string text = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') {
      text += '\\';
    }
    text += c;
  }
  return text + "\"";
}

/// The lines of a text, without their ends, counted from 1.
class Lines {
 public:
  explicit Lines(const Document& document) : document_(document) {
    const auto& text = document.source();
    count_ = static_cast<int>(std::ranges::count(text, '\n')) + (text.empty() || text.ends_with('\n') ? 0 : 1);
  }
  [[nodiscard]] int count() const { return count_; }
  [[nodiscard]] std::string_view at(int number) const { return document_.line(number); }
  /// Neither blank nor a comment.
  [[nodiscard]] bool has_content(int number) const {
    const auto first = at(number).find_first_not_of(" \t\r");
    return first != std::string_view::npos && at(number)[first] != '#';
  }
  [[nodiscard]] int indent(int number) const { return static_cast<int>(at(number).find_first_not_of(' ')); }

  /// The last line of the entry whose key stands in this line: up to the next line that is indented no deeper, without
  /// the blank lines and comments before that one.
  [[nodiscard]] int end_of_entry(int key_line) const {
    int last = key_line;
    for (int line = key_line + 1; line <= count_; ++line) {
      if (!has_content(line)) {
        continue;
      }
      if (indent(line) <= indent(key_line)) {
        break;
      }
      last = line;
    }
    return last;
  }

 private:
  const Document& document_;
  int count_ = 0;
};

/// `lines` below the line `after`, with the line ends of the text.
std::string insert_below(const std::string& text, int after, std::string_view lines) {
  const std::string_view newline = text.find("\r\n") != std::string::npos ? "\r\n" : "\n";
  const auto at = line_start(text, after + 1);
  std::string inserted = at == text.size() && !text.empty() && !text.ends_with('\n') ? std::string(newline) : "";
  for (const char c : lines) {
    inserted += c == '\n' ? newline : std::string_view(&c, 1);
  }
  return text.substr(0, at) + inserted + text.substr(at);
}

std::string entry_text(const ContextEdit& entry, int indent, int step) {
  const std::string outer(static_cast<std::size_t>(indent), ' ');
  const std::string inner(static_cast<std::size_t>(indent + step), ' ');
  return fmt::format("{}{}:\n{}source: {}\n{}target: {}\n", outer, yaml_scalar(entry.key), inner,
                     yaml_scalar(entry.source), inner, yaml_scalar(entry.target));
}

bool in_braces(const Document& document, const Node& map) {
  const auto& text = document.source();
  const auto byte = byte_of_column(text, line_start(text, map.at.line), map.at.column);
  return byte < text.size() && text[byte] == '{';
}

void refuse_braces(const Document& document, const Node& map) {
  if (in_braces(document, map)) {
    throw error_at(document, map.at, "this map is written in braces, where no line can be added")
        .hint("write one `key: value` a line, indented below its key");
  }
}

/// The keys that stand in the map itself, in order.
std::vector<const Entry*> own_entries(const Node& map) {
  std::vector<const Entry*> own;
  for (const auto& entry : map.entries) {
    if (entry.via.empty()) {
      own.push_back(&entry);
    }
  }
  return own;
}

bool names_a_file(const Entry& entry) {
  const Node& node = *entry.value.node;
  return node.kind == Kind::mapping && node.find("source") != nullptr && node.find("target") != nullptr;
}

/// By how much the keys below an entry's key are indented, as the map's other entries do it.
int step_of(const std::vector<const Entry*>& own) {
  for (const auto* entry : own) {
    const Node& node = *entry->value.node;
    if (!entry->value.aliased && node.kind == Kind::mapping && !node.entries.empty() &&
        node.entries.front().via.empty() && node.entries.front().key_at.line > entry->key_at.line) {
      return std::max(1, node.entries.front().key_at.column - entry->key_at.column);
    }
  }
  return 2;
}

/// The line of the map's first key or `<<`, below its own key, anchor and tag.
int first_line(const Lines& lines, const Node& map) {
  int line = map.at.line;
  const auto text = lines.at(line);
  const bool anchored =
      map.anchor_at.line == line && !map.anchor.empty() && text.find('&' + map.anchor) != std::string_view::npos;
  if (anchored || lines.indent(line) != map.at.column - 1) {  // a tag stands there
    ++line;
  }
  while (line < lines.count() && !lines.has_content(line)) {
    ++line;
  }
  return line;
}

}  // namespace

std::string yaml_scalar(std::string_view value) {
  const bool safe = !value.empty() && value.front() != '-' && std::ranges::all_of(value, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '/' || c == '-' || c == '+';
  });
  const auto read = safe ? typed(value) : Scalar{.kind = Kind::bad, .text = {}, .number = 0};
  return read.kind == Kind::string && read.text == value ? std::string(value) : double_quoted(value);
}

std::string replace_scalar(const Document& document, const Node& scalar, std::string_view value) {
  const auto& text = document.source();
  const auto begin = byte_of_column(text, line_start(text, scalar.at.line), scalar.at.column);
  const std::string_view rest = std::string_view(text).substr(std::min(begin, text.size()));
  const bool quoted = !scalar.plain && !rest.empty() && (rest.front() == '"' || rest.front() == '\'');
  std::size_t size = 0;
  if (quoted) {
    size = quoted_size(rest);
  } else if (scalar.plain && rest.starts_with(scalar.source)) {
    size = scalar.source.size();
  }
  if (size == 0) {
    throw error_at(document, scalar.at, "the value does not stand in one line").hint("write it behind its key");
  }
  std::string written = yaml_scalar(value);
  if (quoted && written.front() != '"') {
    written = rest.front() + written + rest.front();
  }
  return text.substr(0, begin) + written + text.substr(begin + size);
}

std::string add_context_entry(const Document& document, const Node& map, const ContextEdit& entry) {
  refuse_braces(document, map);
  const Lines lines(document);
  const auto own = own_entries(map);
  const Entry* last = nullptr;
  for (const auto* candidate : own) {
    last = names_a_file(*candidate) ? candidate : last;
  }
  const int first = first_line(lines, map);
  const int indent = own.empty() ? lines.indent(first) : own.front()->key_at.column - 1;
  int after = 0;
  if (last != nullptr) {
    after = lines.end_of_entry(last->key_at.line);
  } else if (own.empty() || lines.at(first).find("<<") == static_cast<std::size_t>(indent)) {
    after = lines.end_of_entry(first);  // only `<<` stands there
  } else {
    after = own.front()->key_at.line - 1;
    while (after > map.at.line && !lines.has_content(after)) {
      --after;  // comments above the first entry stay with it
    }
  }
  return insert_below(document.source(), after, entry_text(entry, indent, step_of(own)));
}

std::string add_context(const Document& document, const Node& owner, const ContextEdit& entry) {
  refuse_braces(document, owner);
  const Lines lines(document);
  const auto own = own_entries(owner);
  const int indent = own.empty() ? lines.indent(first_line(lines, owner)) : own.front()->key_at.column - 1;
  const int step = step_of(own);
  const auto below = entry_text(entry, indent + step, step);
  const auto* known = owner.find("context");
  if (known != nullptr && known->via.empty()) {
    return insert_below(document.source(), known->key_at.line, below);
  }
  const auto block = std::string(static_cast<std::size_t>(indent), ' ') + "context:\n" + below;
  const auto* images = &owner == document.root() ? owner.find("images") : nullptr;
  if (images != nullptr) {
    int after = images->key_at.line - 1;
    while (after > 0 && lines.at(after).starts_with('#')) {
      --after;  // comments directly above `images` stay with it
    }
    return insert_below(document.source(), after, block + "\n");
  }
  const int last = own.empty() ? first_line(lines, owner) : own.back()->key_at.line;
  return insert_below(document.source(), lines.end_of_entry(last), block);
}

}  // namespace dlc::buildspec
