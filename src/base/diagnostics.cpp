#include "base/diagnostics.h"

#include <fmt/format.h>

#include <algorithm>

namespace dlc {

void Diagnostics::add(Diagnostic diagnostic) {
  errors_ += diagnostic.severity == Severity::error ? 1 : 0;
  warnings_ += diagnostic.severity == Severity::warning ? 1 : 0;
  all_.push_back(std::move(diagnostic));
}

const char* name_of(Severity severity) noexcept {
  switch (severity) {
    case Severity::note:
      return "note";
    case Severity::warning:
      return "warning";
    case Severity::error:
      return "error";
  }
  return "error";
}

namespace {

/// The blanks below the excerpt up to the caret; a tab stays a tab, so that the caret lines up.
std::string lead(const std::string& line, int column) {
  std::string blanks;
  const auto count = static_cast<std::size_t>(std::max(0, column - 1));
  for (std::size_t i = 0; i < count; ++i) {
    blanks += i < line.size() && line[i] == '\t' ? '\t' : ' ';
  }
  return blanks;
}

}  // namespace

std::string render(const Diagnostic& diagnostic) {
  const auto& where = diagnostic.where;
  std::string text = where.file;
  if (where.line > 0) {
    text += fmt::format(":{}", where.line);
    if (where.column > 0) {
      text += fmt::format(":{}", where.column);
    }
  }
  text += fmt::format(": {}: {}", name_of(diagnostic.severity), diagnostic.message);
  if (!diagnostic.rule.empty()) {
    text += fmt::format("  [{}]", diagnostic.rule);
  }
  text += '\n';
  if (diagnostic.line.empty() || where.column <= 0) {
    return diagnostic.hint.empty() ? text : text + "      " + diagnostic.hint + "\n";
  }
  text += fmt::format("{:>5} | {}\n", where.line, diagnostic.line);
  text += fmt::format("      | {}^{}", lead(diagnostic.line, where.column),
                      std::string(static_cast<std::size_t>(std::max(0, diagnostic.width - 1)), '~'));
  if (!diagnostic.hint.empty()) {
    text += " " + diagnostic.hint;
  }
  return text + "\n";
}

}  // namespace dlc
