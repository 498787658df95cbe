#pragma once
// Where a value of an image came from: the anchors behind a !join, merges, replacements by the environment.
#include <string>
#include <string_view>

#include "buildspec/plan.h"

namespace dlc::buildspec {

/// Text for `dlc plan --explain IMAGE.FIELD`, ending in a newline; FIELD is a key of the image's map, a path below it
/// (`context.entrypoint.source`) or a field of the plan. Every image of that name in the plan's files is explained.
/// Throws Error(usage) for an unknown image or field, with what there is.
[[nodiscard]] std::string explain(const Plan& plan, const ResolveOptions& options, std::string_view image_field);

}  // namespace dlc::buildspec
