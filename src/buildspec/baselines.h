#pragma once
// Edits of `image_size_baseline` in a buildspec's text that change nothing else: comments, quotes and layout stay.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace dlc::buildspec {

struct BaselineChange {
  int line = 0;               ///< PlannedImage::baseline_where
  int column = 0;             ///< as above
  std::int64_t baseline = 0;  ///< the new value, MiB
};

/// `text` with the scalars at those places replaced. Throws Error(invalid) where a place holds no plain or quoted
/// number (an alias: the place must be that of the anchor's scalar; two changes of one place must agree).
[[nodiscard]] std::string update_baselines(std::string_view text, const std::vector<BaselineChange>& changes);

}  // namespace dlc::buildspec
