#pragma once
// From one image of a plan to its part of the build graph: what `dlc build` runs and `dlc plan` looks up.
#include <filesystem>
#include <map>
#include <string>

#include "build/lower.h"
#include "buildspec/plan.h"

namespace dlc::cli {

struct ImageLowering {
  std::filesystem::path root = ".";  ///< repository root
  std::string parent;                ///< what BASE_IMAGE names where the image has `base_image_name`
  bool no_cache = false;
  std::map<std::string, std::filesystem::path> downloads = {};  ///< URI -> the file
};

/// The short name of the image that `image` is based on; empty where its base is no image of the plan.
[[nodiscard]] std::string parent_of(const buildspec::Plan& plan, const buildspec::PlannedImage& image);

/// Reads the Dockerfile and adds its steps to `graph`. Throws Error where it, or a file of the context, is missing or
/// wrong, and what `resolver` throws.
[[nodiscard]] build::ImageTarget lower_image(const buildspec::PlannedImage& image, const ImageLowering& options,
                                             const build::ImageResolver& resolver, build::Graph& graph);

/// The repository's own list of bases; empty leaves it to the usual search.
[[nodiscard]] std::string bases_of(const std::filesystem::path& root);

/// Proxy variables of the host, as the predefined build arguments that reach RUN steps without entering the image.
[[nodiscard]] std::map<std::string, std::string> host_proxies();

}  // namespace dlc::cli
