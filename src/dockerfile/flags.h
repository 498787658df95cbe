#pragma once
// The "--name=value" flags of one instruction, checked against the ones it knows.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dockerfile/syntax.h"

namespace dlc::dockerfile {

class Flags {
 public:
  enum class Kind { text, list, boolean };
  struct Known {
    std::string_view name;
    Kind kind = Kind::text;
  };

  /// Throws Error(invalid) without a place: "unknown flag: --x (did you mean y?)", "duplicate flag specified: --x",
  /// "missing a value on flag: --x", "expecting boolean value for flag --x, not: y".
  Flags(const Node& node, const std::vector<Known>& known);

  [[nodiscard]] std::string text(std::string_view name) const;
  [[nodiscard]] std::vector<std::string> list(std::string_view name) const;
  [[nodiscard]] std::optional<bool> boolean(std::string_view name) const;

 private:
  struct Given {
    std::string name;
    std::string value;
  };
  std::vector<Given> given_;
};

/// " (did you mean X?)" for the candidate closest to `word`, or nothing.
[[nodiscard]] std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace dlc::dockerfile
