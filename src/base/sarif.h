#pragma once
// Findings in SARIF 2.1.0, as editors and code hosts read them.
#include <string>
#include <string_view>
#include <vector>

#include "base/diagnostics.h"

namespace dlc {

struct SarifRule {
  std::string id;
  std::string summary;
};

struct SarifResult {
  std::string rule;
  Severity severity = Severity::error;
  std::string text;
  std::string file;  ///< a path, relative; empty: no place
  int line = 0;      ///< 0: the file as a whole
  int column = 0;
  int width = 1;
  std::string suppressed;  ///< why it does not count; empty: it does
};

/// Ends in a newline.
[[nodiscard]] std::string to_sarif(std::string_view tool, std::string_view version, const std::vector<SarifRule>& rules,
                                   const std::vector<SarifResult>& results);

}  // namespace dlc
