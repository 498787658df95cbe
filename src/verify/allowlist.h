#pragma once
// Exceptions from the rules of `dlc image check`: docs/image-check.md, "Exceptions".
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "verify/image_rule.h"

namespace dlc::verify {

struct Exception {
  std::string rule;  ///< "DLC010"
  std::string path;  ///< glob over absolute paths, ** over directories; empty: findings without a path
  std::string reason;
  std::string expires;  ///< "2027-01-31", the last day
  std::string image;    ///< glob over the image's name; empty: all
  SourceLocation where;
};

/// [[allow]] tables. Error(invalid) with file:line for an unknown key or rule, a missing value, a malformed date.
[[nodiscard]] std::vector<Exception> parse_allowlist(std::string_view text, const std::string& file);

/// Marks the findings that unexpired exceptions for `image` cover, and adds findings about the exceptions themselves:
/// expired (DLC090), unused though their rule was run (DLC091), more than `most` findings covered (DLC092).
/// `today`: "2026-11-27".
void apply_allowlist(std::vector<Finding>& findings, std::span<const Exception> exceptions, std::string_view image,
                     std::string_view today, std::size_t most, const std::function<bool(const ImageRule&)>& chosen);

}  // namespace dlc::verify
