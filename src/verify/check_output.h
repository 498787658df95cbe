#pragma once
// What `dlc image check` found, for people and programs. JSON: docs/formats/image-json.md.
#include <string>
#include <string_view>
#include <vector>

#include "verify/image_rule.h"

namespace dlc::verify {

struct CheckedImage {
  std::string name;
  std::string digest;
  std::uint64_t bytes = 0;
  std::vector<LayerSize> layers;   ///< all, lowest first
  std::vector<PathSize> paths;     ///< the largest places
  std::vector<PathSize> packages;  ///< the largest packages: name, bytes
  std::optional<Growth> growth;
  std::string against;
  std::vector<Finding> findings;

  [[nodiscard]] std::size_t count(Severity severity) const;  ///< those that no exception covers
  [[nodiscard]] std::size_t allowed() const;
};

/// Grouped by rule, at most `most` findings of each (0: all), then the sizes (with `sizes`) and the sums.
[[nodiscard]] std::string check_text(const CheckedImage& image, std::size_t most, bool sizes);
[[nodiscard]] std::string check_json(const std::vector<CheckedImage>& images);
[[nodiscard]] std::string check_sarif(const std::vector<CheckedImage>& images, std::string_view program_version);

/// The `most` largest packages, by the files that they list.
[[nodiscard]] std::vector<PathSize> largest_packages(const Subject& subject, std::size_t most);

}  // namespace dlc::verify
