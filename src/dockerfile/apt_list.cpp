#include "dockerfile/apt_list.h"

#include <fmt/format.h>

#include <algorithm>

#include "dockerfile/edit.h"
#include "dockerfile/shell_words.h"
#include "dockerfile/text.h"

namespace dlc::dockerfile {

namespace {

/// Options of apt-get whose value is the next word.
bool takes_value(std::string_view option) {
  return option == "-t" || option == "-o" || option == "-c" || option == "--target-release" || option == "--option";
}

/// A name, a path of a .deb, a pattern, or what only the shell knows: in quotes, or with a variable.
bool may_be_package(std::string_view word) {
  if (word.find_first_of("$\"'") != std::string_view::npos) {
    return true;
  }
  const auto is_name_part = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("+-.:=/~_*?^").find(c) != std::string_view::npos;
  };
  return std::ranges::all_of(word, is_name_part) && std::string_view("+-:=_^").find(word[0]) == std::string_view::npos;
}

/// Collects the packages of the last `apt-get install` of a RUN.
class InstallReader {
 public:
  InstallReader(std::string_view text, const Dockerfile& file) : text_(text), file_(file) {}

  void take(const ShellWord& word) {
    if (word.kind == ShellWord::Kind::separator) {
      end_command();
    } else if (word.kind != ShellWord::Kind::word) {
      return;  // packages may stand on both sides of a redirection
    } else if (skip_) {
      skip_ = false;
    } else if (word.text.starts_with('-')) {
      skip_ = state_ != State::outside && takes_value(word.text);
    } else if (state_ == State::install) {
      package(word);
    } else if (state_ == State::apt && word.text == "install") {
      state_ = State::install;
    } else {
      state_ = word.text == "apt-get" || word.text == "apt" ? State::apt : State::outside;
    }
  }

  AptList list() {
    end_command();
    return std::move(last_);
  }

 private:
  enum class State { outside, apt, install };

  void end_command() {
    state_ = State::outside;
    skip_ = false;
    if (!current_.packages.empty()) {
      last_ = std::move(current_);
      current_ = {};
    }
  }

  void package(const ShellWord& word) {
    const auto before = text_.substr(word.line, word.begin - word.line);
    current_.packages.push_back(
        {.text = word.text, .begin = word.begin, .end = word.end, .line = word.line, .alone = trim(before).empty()});
    if (!current_.problem.empty()) {
      return;
    }
    if (word.unreadable != nullptr) {
      current_.problem = fmt::format("{} stands among the packages of this apt-get install", word.unreadable);
    } else if (!may_be_package(word.text)) {
      current_.problem = fmt::format("\"{}\" stands among the packages of this apt-get install", word.text);
    }
    current_.problem_at = place_of(text_, file_, word.begin);
  }

  std::string_view text_;
  const Dockerfile& file_;
  State state_ = State::outside;
  bool skip_ = false;
  AptList current_;
  AptList last_;
};

bool installs(std::string_view script) {
  const bool calls = script.find("apt-get") != std::string_view::npos || script.find("apt ") != std::string_view::npos;
  return calls && script.find("install") != std::string_view::npos;
}

std::size_t line_begin(std::string_view text, int line) {
  std::size_t begin = 0;
  for (int i = 1; i < line && begin < text.size(); ++i) {
    begin = std::min(text.find('\n', begin), text.size() - 1) + 1;
  }
  return begin;
}

/// Nullopt where the RUN installs nothing that can be seen.
std::optional<AptList> list_of(std::string_view text, const Dockerfile& file, const Node& run) {
  if (run.json) {
    return std::nullopt;  // not the shell's
  }
  AptList list;
  if (!run.heredocs.empty()) {
    if (!installs(run.original) &&
        std::ranges::none_of(run.heredocs, [](const auto& heredoc) { return installs(heredoc.content); })) {
      return std::nullopt;
    }
    list.problem = "the apt-get install of this RUN stands in or beside a heredoc";
    list.problem_at = place_of(text, file, line_begin(text, run.lines.first));
  } else {
    InstallReader reader(text, file);
    for (const auto& word : shell_words(text, run.lines, file.escape)) {
      reader.take(word);
    }
    list = reader.list();
    if (list.packages.empty()) {
      return std::nullopt;
    }
  }
  list.run = &run;
  for (std::size_t i = 0; i + 1 < list.packages.size(); ++i) {
    list.packages[i].alone = list.packages[i].alone && list.packages[i + 1].line != list.packages[i].line;
  }
  return list;
}

}  // namespace

SourceLocation place_of(std::string_view text, const Dockerfile& file, std::size_t byte) {
  const auto before = text.substr(0, byte);
  const auto line = before.rfind('\n') + 1;  // npos + 1 is 0
  return {.file = file.name,
          .line = static_cast<int>(std::ranges::count(before, '\n')) + 1,
          .column = static_cast<int>(byte - line) + 1};
}

std::vector<AptList> find_apt_lists(std::string_view text, const Dockerfile& file, std::size_t stage) {
  std::vector<AptList> lists;
  for (const auto number : stage_ancestry(file, stage)) {
    const auto& instructions = file.stages[number].instructions;
    for (auto instruction = instructions.rbegin(); instruction != instructions.rend(); ++instruction) {
      if (!std::holds_alternative<Run>(instruction->body)) {
        continue;
      }
      if (auto list = list_of(text, file, instruction->node)) {
        lists.push_back(std::move(*list));
      }
    }
  }
  return lists;
}

std::vector<const AptList::Word*> words_of(const AptList& list, std::string_view name) {
  std::vector<const AptList::Word*> found;
  for (const auto& word : list.packages) {
    if (split_package(word.text).name == name) {
      found.push_back(&word);
    }
  }
  return found;
}

std::string add_apt_package(std::string_view text, const Dockerfile& file, const AptList& list,
                            std::string_view package) {
  const auto name_of = [](std::string_view word) { return split_package(word).name; };
  const auto by_name = [&](const AptList::Word& a, const AptList::Word& b) {
    return name_of(a.text) < name_of(b.text);
  };
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
  const auto at = next != words.end() ? neighbour.begin : neighbour.end;
  const auto inserted = next != words.end() ? std::string(package) + between : between + std::string(package);
  return std::string(text.substr(0, at)) + inserted + std::string(text.substr(at));
}

}  // namespace dlc::dockerfile
