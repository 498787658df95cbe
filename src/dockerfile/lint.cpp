#include "dockerfile/lint.h"

#include <algorithm>
#include <array>
#include <set>

#include "base/error.h"
#include "dockerfile/text.h"

namespace dlc::dockerfile {
namespace {

constexpr std::string_view kExperimental = "InvalidDefinitionDescription";

bool contains(const std::vector<std::string>& list, std::string_view name) {
  return std::find_if(list.begin(), list.end(), [name](const std::string& entry) {
           return entry == name || (entry == "all" && name != kExperimental);
         }) != list.end();
}

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> list;
  while (true) {
    const std::size_t comma = text.find(',');
    list.emplace_back(trim(text.substr(0, comma)));
    if (comma == std::string_view::npos) {
      return list;
    }
    text.remove_prefix(comma + 1);
  }
}

// "check=skip=RULE reason": what a comment above an instruction switches.
CheckDirective check_of(const Node& node) {
  for (const std::string& comment : node.comments) {
    std::string_view text = trim(comment);
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos || lower(trim(text.substr(0, equals))) != "check") {
      continue;
    }
    text = trim_left(text.substr(equals + 1));
    try {
      return parse_check(text.substr(0, text.find(' ')));
    } catch (const Error&) {
      break;  // a comment that only looks like one
    }
  }
  return {};
}

bool has_one_case(std::string_view text) {
  return text == lower(text) || text == upper(text);
}

void lint_casing(const Dockerfile& file, Linter& linter) {
  int lower_count = 0;
  int upper_count = 0;
  const auto each = [&file](auto&& visit) {
    for (const Stage& stage : file.stages) {
      visit(stage.node);
      for (const Instruction& instruction : stage.instructions) {
        visit(instruction.node);
      }
    }
  };
  each([&](const Node& node) {
    if (has_one_case(node.keyword)) {
      (node.keyword == node.name ? lower_count : upper_count) += 1;
    }
  });
  const bool want_lower = lower_count > upper_count;
  each([&](const Node& node) {
    if (node.keyword != (want_lower ? node.name : upper(node.name))) {
      linter.report("ConsistentInstructionCasing", node,
                    "Command '" + node.keyword + "' should match the case of the command majority (" +
                        (want_lower ? "lowercase)" : "uppercase)"));
    }
  });
}

void lint_from(const Stage& stage, std::set<std::string>& names, Linter& linter) {
  const Node& node = stage.node;
  if (node.args.size() != 3) {
    return;
  }
  if (stage.from.name_text != stage.from.name) {
    linter.report("StageNameCasing", node, "Stage name '" + stage.from.name_text + "' should be lowercase");
  }
  const std::string& as = node.args[1];
  if (has_one_case(node.keyword) && as != (node.keyword == node.name ? lower(as) : upper(as))) {
    linter.report("FromAsCasing", node, "'" + as + "' and '" + node.keyword + "' keywords' casing do not match");
  }
  if (stage.from.name == "context" || stage.from.name == "scratch") {
    linter.report("ReservedStageName", node,
                  "Stage name should not use the same name as reserved stage " + quote(stage.from.name));
  }
  if (!names.insert(stage.from.name).second) {
    linter.report("DuplicateStageName", node,
                  "Duplicate stage name " + quote(stage.from.name) + ", stage names should be unique");
  }
}

// A comment directly above is read as the description of a stage or argument, so it should begin with the name.
void lint_description(const Node& node, const std::vector<std::string>& names, Linter& linter) {
  if (node.comments.empty() || names.empty()) {
    return;
  }
  const std::string& comment = node.comments.back();
  const std::string word = comment.substr(0, comment.find(' '));
  if (std::find(names.begin(), names.end(), word) == names.end()) {
    linter.report(kExperimental, node,
                  "Comment for " + upper(node.name) + " should follow the format: `# " +
                      (names.size() > 1 ? "<arg_key>" : names.front()) + " <description>`");
  }
}

void lint_instruction(const Instruction& instruction, Linter& linter) {
  const Node& node = instruction.node;
  if (node.empty_continuation) {
    linter.report("NoEmptyContinuation", node, "Empty continuation line");
  }
  if (std::holds_alternative<Maintainer>(instruction.body)) {
    linter.report("MaintainerDeprecated", node, "Maintainer instruction is deprecated in favor of using label");
  }
  if (const Arg* arg = std::get_if<Arg>(&instruction.body)) {
    std::vector<std::string> names;
    std::transform(arg->args.begin(), arg->args.end(), std::back_inserter(names),
                   [](const KeyValue& value) { return value.key; });
    lint_description(node, names, linter);
  }
}

}  // namespace

CheckDirective parse_check(std::string_view value) {
  CheckDirective check;
  value = trim(value);
  while (!value.empty()) {
    const std::size_t end = value.find(';');
    const std::string_view part = value.substr(0, end);
    value = end == std::string_view::npos ? std::string_view{} : value.substr(end + 1);
    const std::size_t equals = part.find('=');
    const std::string_view key = trim(part.substr(0, equals));
    const std::string_view option =
        equals == std::string_view::npos ? std::string_view{} : trim(part.substr(equals + 1));
    if (key == "skip" && !option.empty()) {
      check.skip = split_list(option);
    } else if (key == "experimental" && !option.empty()) {
      check.experimental = split_list(option);
    } else if (key == "error" && (lower(option) == "true" || option == "1")) {
      check.error = true;
    } else if (key != "error" || (lower(option) != "false" && option != "0")) {
      throw Error(ErrorKind::invalid, "invalid check option " + quote(part));
    }
  }
  return check;
}

void Linter::report(std::string_view rule, const Node& node, std::string message) {
  const CheckDirective here = check_of(node);
  if (rule == kExperimental) {
    const auto wanted = [rule](const CheckDirective& check) {
      return std::any_of(check.experimental.begin(), check.experimental.end(),
                         [rule](const std::string& name) { return name == rule || name == "all"; });
    };
    if (!wanted(file_.check) && !wanted(here)) {
      return;
    }
  } else if (contains(file_.check.skip, rule) || contains(here.skip, rule)) {
    return;
  }
  const auto line = static_cast<std::size_t>(std::max(node.lines.first, 1)) - 1;
  diagnostics_.add({.severity = Severity::warning,
                    .where = {file_.name, node.lines.first, 1},
                    .message = std::move(message),
                    .hint = {},
                    .rule = std::string(rule),
                    .line = line < file_.lines.size() ? file_.lines[line] : std::string(),
                    .width = static_cast<int>(std::max<std::size_t>(node.keyword.size(), 1))});
  if (std::find(reported_.begin(), reported_.end(), rule) == reported_.end()) {
    reported_.emplace_back(rule);
  }
}

void lint_file(const Dockerfile& file, Linter& linter) {
  std::set<std::string> names;
  for (const Instruction& arg : file.global_args) {
    lint_instruction(arg, linter);
  }
  for (const Stage& stage : file.stages) {
    if (stage.node.empty_continuation) {
      linter.report("NoEmptyContinuation", stage.node, "Empty continuation line");
    }
    lint_from(stage, names, linter);
    if (!stage.from.name.empty()) {
      lint_description(stage.node, {stage.from.name}, linter);
    }
    for (const Instruction& instruction : stage.instructions) {
      lint_instruction(instruction, linter);
    }
  }
  lint_casing(file, linter);
}

bool names_a_secret(std::string_view name) {
  static constexpr std::array<std::string_view, 10> kSecret{"apikey",   "auth",  "credential", "credentials", "key",
                                                            "password", "pword", "passwd",     "secret",      "token"};
  static constexpr std::array<std::string_view, 3> kHarmless{"public", "file", "version"};
  // A listed word stands between underscores or the ends; it may itself hold none.
  const std::string text = "_" + lower(name) + "_";
  const auto among = [&text](const auto& words) {
    return std::any_of(words.begin(), words.end(), [&text](std::string_view word) {
      return text.find("_" + std::string(word) + "_") != std::string::npos;
    });
  };
  return among(kSecret) && !among(kHarmless);
}

}  // namespace dlc::dockerfile
