#pragma once
// Names of results in each BUILD_CONTEXT. Internal to this folder.
#include <cstdint>
#include <string>
#include <string_view>

#include "buildspec/plan.h"

namespace dlc::buildspec {

enum class BuildContext { dev, pull_request, mainline, nightly };

/// DEV for an unset or unknown BUILD_CONTEXT.
[[nodiscard]] BuildContext build_context(const Environment& environment);

/// MAINLINE and NIGHTLY turn every `pr-` of the last path component into `beta-` and `nightly-`.
[[nodiscard]] std::string repository_in(BuildContext context, const std::string& repository);

/// What follows a tag: "-pr-1234" for a pull request. Throws Error(usage) where its number is unknown.
[[nodiscard]] std::string tag_suffix(BuildContext context, const Environment& environment);

/// "-2026-11-23-22-53-49", UTC.
[[nodiscard]] std::string date_suffix(std::int64_t now);

}  // namespace dlc::buildspec
