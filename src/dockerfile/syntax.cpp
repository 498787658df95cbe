#include "dockerfile/syntax.h"

#include <algorithm>
#include <array>
#include <utility>

#include "dockerfile/dockerfile.h"
#include "dockerfile/syntax_internal.h"
#include "dockerfile/text.h"
#include "dockerfile/word.h"

namespace dlc::dockerfile {
namespace {

std::vector<std::string> split_lines(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    lines.emplace_back(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
  }
  return lines;
}

std::string_view without_line_end(std::string_view line) {
  while (line.ends_with('\r') || line.ends_with('\n')) {
    line.remove_suffix(1);
  }
  return line;
}

// "# name=value", as the first lines may be.
std::optional<Directive> read_directive(std::string_view line) {
  line = trim(line);
  if (!line.starts_with('#')) {
    return std::nullopt;
  }
  line = trim_left(line.substr(1));
  const std::size_t equals = line.find('=');
  if (equals == std::string_view::npos) {
    return std::nullopt;
  }
  const std::string name = lower(trim_right(line.substr(0, equals)));
  const std::string_view value = trim_left(line.substr(equals + 1));
  const bool is_name =
      !name.empty() && name.front() >= 'a' && name.front() <= 'z' &&
      std::all_of(name.begin(), name.end(), [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); });
  if (!is_name || value.empty()) {
    return std::nullopt;
  }
  return Directive{name, std::string(value), 0};
}

class Reader {
 public:
  Reader(std::string_view text, const std::string& name) : name_(name) {
    if (text.starts_with("\xef\xbb\xbf")) {
      text.remove_prefix(3);
    }
    syntax_.lines = split_lines(text);
  }

  Syntax run() {
    if (syntax_.lines.empty()) {
      throw Error(ErrorKind::invalid, "the Dockerfile cannot be empty").at({name_, 0, 0});
    }
    read_directives();
    while (line_ < syntax_.lines.size()) {
      read_instruction();
    }
    if (syntax_.nodes.empty()) {
      throw error(ErrorKind::invalid, "file with no instructions", static_cast<int>(line_));
    }
    for (std::string& line : syntax_.lines) {
      line = without_line_end(line);
    }
    return std::move(syntax_);
  }

 private:
  [[nodiscard]] Error error(ErrorKind kind, std::string message, int first, int last = 0) const {
    const LineRange range{std::max(first, 1), std::max(last, std::max(first, 1))};
    Error result(kind, std::move(message));
    result.at({name_, range.first, 0}).excerpt(excerpt(syntax_.lines, range));
    return result;
  }

  [[nodiscard]] int number() const { return static_cast<int>(line_); }

  void read_directives() {
    std::size_t line = 0;
    if (syntax_.lines[0].starts_with("#!")) {
      ++line;
    }
    static constexpr std::array kKnown{"syntax", "escape", "check"};
    for (; line < syntax_.lines.size(); ++line) {
      auto directive = read_directive(syntax_.lines[line]);
      if (!directive || std::find(kKnown.begin(), kKnown.end(), directive->name) == kKnown.end()) {
        return;
      }
      directive->line = static_cast<int>(line) + 1;
      if (std::any_of(syntax_.directives.begin(), syntax_.directives.end(),
                      [&](const Directive& other) { return other.name == directive->name; })) {
        throw error(ErrorKind::invalid, "only one " + directive->name + " parser directive can be used",
                    directive->line);
      }
      if (directive->name == "escape") {
        if (directive->value != "\\" && directive->value != "`") {
          throw error(ErrorKind::invalid, "invalid escape token '" + directive->value + "' does not match ` or \\",
                      directive->line);
        }
        syntax_.escape = directive->value.front();
      }
      syntax_.directives.push_back(*std::move(directive));
      directive_lines_ = line + 1;
    }
  }

  // Takes the escape at the line's end off (with blanks behind it); false where there is none. Two escapes are one
  // escaped escape.
  [[nodiscard]] bool take_continuation(std::string_view& line) const {
    std::string_view rest = line;
    while (rest.ends_with(' ') || rest.ends_with('\t')) {
      rest.remove_suffix(1);
    }
    if (!rest.ends_with(syntax_.escape) || (rest.size() > 1 && rest[rest.size() - 2] == syntax_.escape)) {
      return false;
    }
    line = rest.substr(0, rest.size() - 1);
    return true;
  }

  void read_instruction() {
    std::string_view line = trim_left(without_line_end(syntax_.lines[line_]));
    ++line_;
    if (line.starts_with('#')) {
      const std::string_view comment = trim(line.substr(1));
      if (comment.empty()) {
        comments_.clear();
      } else if (line_ > directive_lines_) {
        comments_.emplace_back(comment);
      }
      return;
    }
    const int first = number();
    bool more = take_continuation(line);
    if (!more && line.empty()) {
      return;
    }
    std::string text(line);
    bool empty_continuation = false;
    while (more && line_ < syntax_.lines.size()) {
      line = without_line_end(syntax_.lines[line_]);
      ++line_;
      const std::string_view shown = trim_left(line);
      if (shown.starts_with('#')) {
        continue;
      }
      if (shown.empty()) {
        empty_continuation = true;
        continue;
      }
      more = take_continuation(line);
      text += line;
    }
    add_node(text, first, empty_continuation);
  }

  void add_node(const std::string& text, int first, bool empty_continuation) {
    Node node;
    try {
      node = make_node(text, syntax_.escape);
      node.lines = {first, number()};
      read_heredocs(node);
    } catch (Error& e) {
      if (e.where().line > 0) {
        throw;
      }
      throw error(e.kind(), "dockerfile parse error on line " + std::to_string(first) + ": " + e.message(), first,
                  number());
    }
    node.empty_continuation = empty_continuation;
    node.comments = std::exchange(comments_, {});
    syntax_.nodes.push_back(std::move(node));
  }

  void read_heredocs(Node& node) {
    Node& owner = node.trigger.empty() ? node : node.trigger.front();
    const bool may = owner.name == "run" || owner.name == "copy" || owner.name == "add";
    if (!may || owner.json || node.original.find("<<") == std::string::npos) {
      return;
    }
    owner.heredocs = find_heredocs(node.original);
    for (Heredoc& heredoc : owner.heredocs) {
      bool ended = false;
      while (!ended && line_ < syntax_.lines.size()) {
        const std::string& line = syntax_.lines[line_];
        ++line_;
        std::string_view word = without_line_end(line);
        while (heredoc.chomp && word.starts_with('\t')) {
          word.remove_prefix(1);
        }
        ended = word == heredoc.name;
        if (!ended) {
          heredoc.content += line;
          heredoc.content += '\n';
        }
      }
      if (!ended) {
        throw Error(ErrorKind::invalid, "unterminated heredoc");
      }
    }
    node.lines.last = number();
    owner.lines = node.lines;
  }

  const std::string& name_;
  Syntax syntax_;
  std::size_t line_ = 0;             // lines taken so far
  std::size_t directive_lines_ = 0;  // lines up to the last directive
  std::vector<std::string> comments_;
};

std::size_t count_quotes(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return c == '\'' || c == '"'; }));
}

std::optional<Heredoc> read_heredoc_word(std::string_view word) {
  std::size_t at = 0;
  while (at < word.size() && word[at] >= '0' && word[at] <= '9') {
    ++at;
  }
  const std::string digits(word.substr(0, at));
  word.remove_prefix(at);
  if (!word.starts_with("<<") || digits.size() > 8) {
    return std::nullopt;
  }
  word.remove_prefix(2);
  Heredoc heredoc;
  heredoc.chomp = word.starts_with('-');
  word = trim_left(word.substr(heredoc.chomp ? 1 : 0));
  if (word.empty() || word.find('<') != std::string_view::npos) {
    return std::nullopt;
  }
  const auto unset = [](std::string_view) { return std::optional<std::string>(); };
  const auto plain = expand(word, unset, {.skip_unset = true}).words;
  if (plain.size() != 1) {
    return std::nullopt;
  }
  const auto raw = expand(word, unset, {.raw_quotes = true, .skip_unset = true}).text;
  heredoc.name = plain.front();
  heredoc.expand = count_quotes(raw) == count_quotes(heredoc.name);  // an escape is no quote here, unlike in a shell
  heredoc.descriptor = digits.empty() ? 0 : std::stoi(digits);
  return heredoc;
}

}  // namespace

std::optional<Heredoc> parse_heredoc(std::string_view word) {
  try {
    return read_heredoc_word(word);
  } catch (const Error&) {
    return std::nullopt;  // no word of ours: unbalanced quotes and the like
  }
}

std::vector<Heredoc> find_heredocs(std::string_view line) {
  std::vector<Heredoc> heredocs;
  std::vector<std::string> words;
  try {
    words = expand(line, [](std::string_view) { return std::optional<std::string>(); },
                   {.raw_quotes = true, .raw_escapes = true, .skip_unset = true})
                .words;
  } catch (const Error&) {
    return heredocs;  // unbalanced quotes and the like: the shell will say so
  }
  for (const std::string& word : words) {
    if (auto heredoc = parse_heredoc(word)) {
      heredocs.push_back(*std::move(heredoc));
    }
  }
  return heredocs;
}

Syntax read_syntax(std::string_view text, const std::string& name) {
  return Reader(text, name).run();
}

std::string excerpt(const std::vector<std::string>& lines, LineRange range) {
  const int count = static_cast<int>(lines.size());
  const int context = range.last > range.first ? 1 : 2;
  std::string text(20, '-');
  for (int i = std::max(range.first - context, 1); i <= std::min(range.last + context, count); ++i) {
    const std::string number = std::to_string(i);
    text += "\n " + std::string(number.size() < 3 ? 3 - number.size() : 0, ' ') + number + " |";
    const bool marked = i >= range.first && i <= range.last;
    const std::string_view line = without_line_end(lines[static_cast<std::size_t>(i) - 1]);
    text += marked ? " >>>" : line.empty() ? "" : "    ";
    text += line.empty() ? "" : " ";
    text += line;
  }
  return text + "\n" + std::string(20, '-');
}

}  // namespace dlc::dockerfile
