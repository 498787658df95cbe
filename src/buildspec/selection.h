#pragma once
// Which images are chosen: by the command line's filters, or by the files that a pull request changes. An image's
// `build` flag is an anchor named <FRAMEWORK>_<DEVICE>_<IMAGE TYPE>_<PY>; choosing sets variables of these names.
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "buildspec/plan.h"

namespace dlc::buildspec {

/// The values that the options --device_types, --image_types and --py_versions know.
[[nodiscard]] std::span<const std::string> known_device_types();
[[nodiscard]] std::span<const std::string> known_image_types();
[[nodiscard]] std::span<const std::string> known_py_versions();

/// The variable that switches such an image on.
[[nodiscard]] std::string selection_variable(std::string_view framework, std::string_view device_type,
                                             std::string_view image_type, std::string_view py_version);

/// One reason to build and test: every combination of the three sets.
struct Combination {
  std::set<std::string> device_types;
  std::set<std::string> image_types;
  std::set<std::string> py_versions;
  std::set<std::string> suites;  ///< tests to run besides sanity

  [[nodiscard]] bool covers(const PlannedImage& image) const;
};

/// What is chosen for one framework.
struct Choice {
  std::vector<Combination> combinations;

  /// The variables to set to "true": the sets of all combinations together, crosswise.
  [[nodiscard]] std::vector<std::string> variables(std::string_view framework) const;
};

/// Throws Error(usage) where an option has a value that is not known.
void check_selection(const ResolveOptions& options);

/// The choice for one framework under these options; the changed files count where BUILD_CONTEXT is PR.
[[nodiscard]] Choice choose(const ResolveOptions& options, std::string_view framework);

}  // namespace dlc::buildspec
