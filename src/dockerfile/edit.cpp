#include "dockerfile/edit.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "dockerfile/text.h"

namespace dlc::dockerfile {

namespace {

std::size_t line_begin(std::string_view text, int line) {
  std::size_t begin = 0;
  for (int i = 1; i < line; ++i) {
    const auto end = text.find('\n', begin);
    if (end == std::string_view::npos) {
      return text.size();
    }
    begin = end + 1;
  }
  return begin;
}

std::optional<std::size_t> number_of(std::string_view text) {
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(number) : std::nullopt;
}

/// A stage above `before` by its name.
std::optional<std::size_t> stage_named(const Dockerfile& file, std::string_view name, std::size_t before) {
  const auto wanted = lower(name);
  for (auto i = before; i-- > 0;) {
    if (file.stages[i].from.name == wanted) {
      return i;
    }
  }
  return std::nullopt;
}

/// What --from means: a stage's name or number.
std::optional<std::size_t> stage_from(const Dockerfile& file, std::string_view from, std::size_t before) {
  if (const auto number = number_of(from); number && *number < before) {
    return number;
  }
  return stage_named(file, from, before);
}

/// from= of a --mount as written.
std::string mount_from(std::string_view mount) {
  while (!mount.empty()) {
    const auto field = mount.substr(0, mount.find(','));
    if (field.starts_with("from=")) {
      return std::string(field.substr(5));
    }
    mount.remove_prefix(std::min(mount.size(), field.size() + 1));
  }
  return {};
}

std::vector<std::string> froms_of(const Instruction& instruction) {
  std::vector<std::string> froms;
  if (const auto* copy = std::get_if<Copy>(&instruction.body)) {
    froms.push_back(copy->from);
  } else if (const auto* run = std::get_if<Run>(&instruction.body)) {
    for (const auto& mount : run->mounts) {
      froms.push_back(mount_from(mount));
    }
  }
  std::erase(froms, "");
  return froms;
}

std::string_view last_component(std::string_view path) {
  while (path.ends_with('/')) {
    path.remove_suffix(1);
  }
  return path.substr(path.rfind('/') + 1);
}

/// The path in the image that one source of a COPY gets.
std::string destination_of(const Copy& copy, const std::string& source) {
  const bool directory = copy.dest.ends_with('/') || copy.sources.size() + copy.contents.size() > 1;
  if (!directory) {
    return copy.dest;
  }
  return copy.dest + (copy.dest.ends_with('/') ? "" : "/") + std::string(last_component(source));
}

std::string_view without_dot(std::string_view source) {
  while (source.starts_with("./") || source.starts_with('/')) {
    source.remove_prefix(source.starts_with('/') ? 1 : 2);
  }
  return source;
}

bool changes_files(const Instruction& instruction) {
  return std::holds_alternative<Run>(instruction.body) || std::holds_alternative<Copy>(instruction.body);
}

}  // namespace

std::optional<std::size_t> find_stage(const Dockerfile& file, const std::optional<std::string>& target) {
  if (!target || target->empty()) {
    return file.stages.size() - 1;
  }
  if (const auto named = stage_named(file, *target, file.stages.size())) {
    return named;
  }
  const auto number = number_of(*target);
  return number && *number < file.stages.size() ? number : std::nullopt;
}

std::vector<std::size_t> stage_ancestry(const Dockerfile& file, std::size_t stage) {
  std::vector<std::size_t> found{stage};
  while (const auto parent = stage_named(file, file.stages[found.back()].from.image, found.back())) {
    found.push_back(*parent);
  }
  return found;
}

std::vector<std::size_t> stages_read_by(const Dockerfile& file, std::size_t stage) {
  std::vector<std::size_t> found{stage};
  const auto add = [&](std::optional<std::size_t> other) {
    if (other && std::ranges::find(found, *other) == found.end()) {
      found.push_back(*other);
    }
  };
  for (std::size_t i = 0; i < found.size(); ++i) {
    const auto current = found[i];
    add(stage_named(file, file.stages[current].from.image, current));
    for (const auto& instruction : file.stages[current].instructions) {
      for (const auto& from : froms_of(instruction)) {
        add(stage_from(file, from, current));
      }
    }
  }
  return found;
}

std::vector<CopiedTo> copies_of(const Dockerfile& file, std::size_t stage, const std::string& source) {
  std::vector<CopiedTo> found;
  for (const auto& instruction : file.stages[stage].instructions) {
    const auto* copy = std::get_if<Copy>(&instruction.body);
    if (copy == nullptr || !copy->from.empty()) {
      continue;
    }
    for (const auto& name : copy->sources) {
      if (without_dot(name) == source) {
        found.push_back({destination_of(*copy, name), instruction.node.lines});
      }
    }
  }
  return found;
}

std::optional<LineRange> copy_that_makes(const Dockerfile& file, std::size_t stage, const std::string& path) {
  for (const auto& instruction : file.stages[stage].instructions) {
    const auto* copy = std::get_if<Copy>(&instruction.body);
    if (copy != nullptr &&
        std::ranges::any_of(copy->sources, [&](const auto& source) { return destination_of(*copy, source) == path; })) {
      return instruction.node.lines;
    }
  }
  return std::nullopt;
}

std::string copy_instruction(const std::string& source, const std::string& destination, const std::string& mode) {
  const auto flags = mode.empty() ? std::string() : "--chmod=" + mode + " ";
  const bool blanks = (source + destination).find(' ') != std::string::npos;
  return blanks ? fmt::format("COPY {}[{}, {}]", flags, quote(source), quote(destination))
                : fmt::format("COPY {}{} {}", flags, source, destination);
}

std::string add_instruction(std::string_view text, const Dockerfile& file, std::size_t stage,
                            std::string_view instruction) {
  const auto& instructions = file.stages[stage].instructions;
  const auto last = std::find_if(instructions.rbegin(), instructions.rend(), changes_files);
  const auto& lines = last != instructions.rend() ? last->node.lines : file.stages[stage].node.lines;
  const auto at = line_begin(text, lines.last + 1);
  const std::string newline = text.find("\r\n") != std::string_view::npos ? "\r\n" : "\n";
  const bool unended = at == text.size() && !text.ends_with('\n');
  return std::string(text.substr(0, at)) + (unended ? newline : "") + std::string(instruction) + newline +
         std::string(text.substr(at));
}

namespace {

/// Splits the lines of a RUN into shell words with their places; what ends a command is a word of its own.
class ShellWords {
 public:
  ShellWords(std::string_view text, const Node& run, char escape)
      : text_(text),
        end_(line_begin(text, run.lines.last + 1)),
        escape_(escape),
        line_(line_begin(text, run.lines.first)) {
    at_ = line_;
  }

  /// Nullopt at the end of the instruction.
  std::optional<AptList::Word> next() {
    skip_blanks();
    if (at_ >= end_) {
      return std::nullopt;
    }
    const auto begin = at_;
    if (is_operator(text_[at_])) {
      while (at_ < end_ && is_operator(text_[at_])) {
        ++at_;
      }
    } else {
      while (at_ < end_ && !is_blank(text_[at_]) && !is_operator(text_[at_]) && !continues(at_)) {
        ++at_;
      }
    }
    return AptList::Word{
        .text = std::string(text_.substr(begin, at_ - begin)), .begin = begin, .line = line_, .alone = false};
  }

 private:
  static bool is_operator(char c) { return c == ';' || c == '&' || c == '|' || c == ')' || c == '('; }
  /// The escape character at a line's end.
  [[nodiscard]] bool continues(std::size_t at) const {
    if (text_[at] != escape_) {
      return false;
    }
    const auto rest = text_.find_first_not_of(" \t\r", at + 1);
    return rest == std::string_view::npos || text_[rest] == '\n';
  }
  void skip_blanks() {
    while (at_ < end_) {
      if (text_[at_] == '\n') {
        line_ = ++at_;
        const auto first = text_.find_first_not_of(" \t", at_);
        if (first < end_ && text_[first] == '#') {
          at_ = std::min(text_.find('\n', first), end_);  // a comment between the lines
        }
      } else if (is_blank(text_[at_]) || continues(at_)) {
        ++at_;
      } else {
        return;
      }
    }
  }

  std::string_view text_;
  std::size_t end_;
  char escape_;
  std::size_t at_ = 0;
  std::size_t line_;
};

bool ends_command(const AptList::Word& word) {
  return std::string_view(";&|()").find(word.text.front()) != std::string_view::npos;
}

/// Options of apt-get whose value is the next word.
bool takes_value(std::string_view option) {
  return option == "-t" || option == "-o" || option == "-c" || option == "--target-release" || option == "--option";
}

/// The packages of the last `apt-get install` of a RUN.
std::vector<AptList::Word> apt_packages(std::string_view text, const Node& run, char escape) {
  enum class State { outside, apt, install };
  State state = State::outside;
  std::vector<AptList::Word> found;
  std::vector<AptList::Word> current;
  bool skip = false;
  ShellWords words(text, run, escape);
  for (auto word = words.next(); word; word = words.next()) {
    if (ends_command(*word)) {
      state = State::outside;
      found = current.empty() ? found : current;
      current.clear();
    } else if (skip) {
      skip = false;
    } else if (word->text.starts_with('-')) {
      skip = state != State::outside && takes_value(word->text);
    } else if (state == State::install) {
      word->alone = trim(text.substr(word->line, word->begin - word->line)).empty();
      current.push_back(*word);
    } else if (state == State::apt && word->text == "install") {
      state = State::install;
    } else {
      state = word->text == "apt-get" || word->text == "apt" ? State::apt : State::outside;
    }
  }
  return current.empty() ? found : current;
}

/// The name without version, architecture or release.
std::string_view name_of(std::string_view package) {
  return package.substr(0, package.find_first_of("=:/"));
}

}  // namespace

std::vector<AptList> find_apt_lists(std::string_view text, const Dockerfile& file, std::size_t stage) {
  std::vector<AptList> lists;
  for (const auto number : stage_ancestry(file, stage)) {
    const auto& instructions = file.stages[number].instructions;
    for (auto instruction = instructions.rbegin(); instruction != instructions.rend(); ++instruction) {
      if (!std::holds_alternative<Run>(instruction->body)) {
        continue;
      }
      auto packages = apt_packages(text, instruction->node, file.escape);
      if (packages.empty()) {
        continue;
      }
      for (std::size_t i = 0; i + 1 < packages.size(); ++i) {
        packages[i].alone = packages[i].alone && packages[i + 1].line != packages[i].line;
      }
      lists.push_back({.run = &instruction->node, .packages = std::move(packages)});
    }
  }
  return lists;
}

std::optional<AptList> find_apt_list(std::string_view text, const Dockerfile& file, std::size_t stage) {
  auto lists = find_apt_lists(text, file, stage);
  return lists.empty() ? std::nullopt : std::optional(std::move(lists.front()));
}

bool has_package(const AptList& list, std::string_view name) {
  return std::ranges::any_of(list.packages, [&](const auto& word) { return name_of(word.text) == name_of(name); });
}

std::string add_apt_package(std::string_view text, const Dockerfile& file, const AptList& list,
                            std::string_view package) {
  const auto by_name = [](const AptList::Word& a, const AptList::Word& b) { return name_of(a.text) < name_of(b.text); };
  const auto& words = list.packages;
  auto next = words.end();
  if (std::ranges::is_sorted(words, by_name)) {
    next = std::ranges::find_if(words, [&](const auto& word) { return name_of(package) < name_of(word.text); });
  }
  const auto& neighbour = next != words.end() ? *next : words.back();
  std::string between = " ";
  if (neighbour.alone) {
    const std::string newline = text.find("\r\n") != std::string_view::npos ? "\r\n" : "\n";
    between =
        fmt::format(" {}{}{}", file.escape, newline, text.substr(neighbour.line, neighbour.begin - neighbour.line));
  }
  const auto at = next != words.end() ? neighbour.begin : neighbour.begin + neighbour.text.size();
  const auto inserted = next != words.end() ? std::string(package) + between : between + std::string(package);
  return std::string(text.substr(0, at)) + inserted + std::string(text.substr(at));
}

}  // namespace dlc::dockerfile
