#pragma once
// Findings in the user's input files, many at a time, each with file:line:column, an excerpt and a hint. The input
// languages report here and go on; the caller shows them all and stops if any is an error.
#include <string>
#include <vector>

#include "base/error.h"

namespace dlc {

enum class Severity { note, warning, error };

/// "note", "warning", "error"; SARIF's levels have the same names.
[[nodiscard]] const char* name_of(Severity severity) noexcept;

struct Diagnostic {
  Severity severity = Severity::error;
  SourceLocation where;
  std::string message;
  std::string hint;  ///< shown beside the caret: "did you mean ...?"; may be empty
  std::string rule;  ///< stable name such as "float-version"; may be empty
  std::string line;  ///< the text of the line at `where`, without its newline; may be empty
  int width = 1;     ///< columns to underline
};

/// Not thread-safe.
class Diagnostics {
 public:
  void add(Diagnostic diagnostic);
  [[nodiscard]] const std::vector<Diagnostic>& all() const noexcept { return all_; }
  [[nodiscard]] int errors() const noexcept { return errors_; }
  [[nodiscard]] int warnings() const noexcept { return warnings_; }

 private:
  std::vector<Diagnostic> all_;
  int errors_ = 0;
  int warnings_ = 0;
};

/// One finding as shown to a person: "file:4:20: warning: text  [rule]", the line, a caret line with the hint. Ends in
/// a newline.
[[nodiscard]] std::string render(const Diagnostic& diagnostic);

}  // namespace dlc
