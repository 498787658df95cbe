#pragma once
// The type of a YAML 1.2 scalar and the text that its value has wherever it is used (the text Python's str() gives:
// 1.10 -> 1.1, 0o17 -> 15, null -> None). Rules: docs/formats/buildspec.md, "Scalars".
#include <string>
#include <string_view>

namespace dlc::buildspec {

enum class Kind {
  null,
  boolean,
  integer,
  floating,
  date,  ///< a date or a timestamp
  string,
  sequence,
  mapping,
  bad,  ///< not usable; an error has been reported where it stands
};

struct Scalar {
  Kind kind = Kind::string;
  std::string text;
  double number = 0;  ///< of a boolean, integer or float, for comparing versions
};

/// A plain (unquoted) scalar. A date that no calendar has gives Kind::bad.
[[nodiscard]] Scalar typed(std::string_view plain);

/// Python's repr of a float: the shortest digits that read back, exponent from 1e16 and below 1e-4.
[[nodiscard]] std::string python_float(double value);

/// "a whole number", for messages.
[[nodiscard]] std::string_view name_of(Kind kind);

}  // namespace dlc::buildspec
