#pragma once
// `dlc plan --update-baselines`: the sizes of what was built become the buildspec's `image_size_baseline`.
#include <string>

#include "buildspec/plan.h"
#include "store/store.h"

namespace dlc::cli {

/// Rewrites the buildspecs of the plan's selected images that are in the store with another size, rounded up to MiB;
/// nothing else of the files changes. Returns what a person should see: each changed line, before and after, and the
/// images that are not built here.
[[nodiscard]] std::string apply_new_baselines(const buildspec::Plan& plan, const std::filesystem::path& root,
                                              store::Store& store);

}  // namespace dlc::cli
