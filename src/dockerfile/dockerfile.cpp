#include "dockerfile/dockerfile.h"

#include <utility>

#include "dockerfile/instruction.h"
#include "dockerfile/lint.h"
#include "dockerfile/text.h"

namespace dlc::dockerfile {
namespace {

// Adds place and text of an instruction to an error that knows neither.
[[noreturn]] void rethrow_at(const Dockerfile& file, LineRange range, const Error& e) {
  throw error_at(file, range, "dockerfile parse error on line " + std::to_string(range.first) + ": " + e.message());
}

void read_directives(Dockerfile& file, const Syntax& syntax) {
  for (const Directive& directive : syntax.directives) {
    if (directive.name == "syntax") {
      file.syntax = directive.value;
    } else if (directive.name == "check") {
      try {
        file.check = parse_check(directive.value);
        file.check.line = directive.line;
      } catch (const Error& e) {
        throw error_at(file, {directive.line, directive.line}, "failed to parse check options: " + e.message());
      }
    }
  }
}

void add_instruction(Dockerfile& file, Node node) {
  Instruction instruction;
  try {
    instruction.body = make_body(node);
  } catch (const Error& e) {
    rethrow_at(file, node.lines, e);
  }
  instruction.node = std::move(node);
  if (From* from = std::get_if<From>(&instruction.body)) {
    file.stages.push_back({std::move(*from), std::move(instruction.node), {}});
  } else if (!file.stages.empty()) {
    file.stages.back().instructions.push_back(std::move(instruction));
  } else if (std::holds_alternative<Arg>(instruction.body)) {
    file.global_args.push_back(std::move(instruction));
  } else {
    rethrow_at(file, instruction.node.lines, Error(ErrorKind::invalid, "no build stage in current context"));
  }
}

}  // namespace

Dockerfile parse(std::string_view text, const std::string& name, Diagnostics& diagnostics) {
  Syntax syntax = read_syntax(text, name);
  Dockerfile file;
  file.name = name;
  file.lines = std::move(syntax.lines);
  file.escape = syntax.escape;
  read_directives(file, syntax);
  for (Node& node : syntax.nodes) {
    add_instruction(file, std::move(node));
  }
  if (file.stages.empty()) {
    throw error_at(file, file.global_args.back().node.lines, "dockerfile contains no stages to build");
  }
  Linter linter(file, diagnostics);
  lint_file(file, linter);
  file.findings = linter.reported();
  return file;
}

Instruction parse_trigger(const std::string& text) {
  Syntax syntax = read_syntax(text, "ONBUILD trigger");
  if (syntax.nodes.size() != 1) {
    throw Error(ErrorKind::invalid, "onbuild trigger should be a single expression: " + quote(text));
  }
  Node node = std::move(syntax.nodes.front());
  if (node.name == "from" || node.name == "maintainer" || node.name == "onbuild") {
    throw Error(ErrorKind::invalid, upper(node.name) + " isn't allowed as an ONBUILD trigger");
  }
  Body body = make_body(node);
  return {std::move(body), std::move(node)};
}

std::string excerpt(const Dockerfile& file, LineRange range) {
  return excerpt(file.lines, range);
}

Error error_at(const Dockerfile& file, LineRange range, std::string message) {
  Error error(ErrorKind::invalid, std::move(message));
  error.at({file.name, range.first, 0}).excerpt(excerpt(file.lines, range));
  return error;
}

}  // namespace dlc::dockerfile
