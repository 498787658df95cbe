#pragma once
// The checks of `docker build --check`: rules by BuildKit's names, switched by the "# check=" directive and by comments
// above an instruction ("# check=skip=RULE"). Findings are warnings with `Diagnostic::rule` set.
#include <string>
#include <string_view>
#include <vector>

#include "base/diagnostics.h"
#include "dockerfile/dockerfile.h"

namespace dlc::dockerfile {

/// The value of a check directive: "skip=A,B;error=true;experimental=all". Throws Error(invalid) without a place.
[[nodiscard]] CheckDirective parse_check(std::string_view value);

class Linter {
 public:
  /// `file` and `diagnostics` outlive the linter.
  Linter(const Dockerfile& file, Diagnostics& diagnostics) : file_(file), diagnostics_(diagnostics) {}

  /// Reports unless the rule is switched off for the file or by the node's comments.
  void report(std::string_view rule, const Node& node, std::string message);
  /// Names of the rules reported so far by this linter, each once.
  [[nodiscard]] const std::vector<std::string>& reported() const noexcept { return reported_; }

 private:
  const Dockerfile& file_;
  Diagnostics& diagnostics_;
  std::vector<std::string> reported_;
};

/// The rules that need no variables: casing, stage names, deprecated forms.
void lint_file(const Dockerfile& file, Linter& linter);

/// Whether a variable's name says that it holds a secret (rule SecretsUsedInArgOrEnv).
[[nodiscard]] bool names_a_secret(std::string_view name);

}  // namespace dlc::dockerfile
