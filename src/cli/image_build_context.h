#pragma once
// Where the files of an `dlc image build` come from: a directory, a tar or a Dockerfile on standard input, a git
// repository; the Dockerfile itself, its ignore file, and the named contexts.
#include "cli/image_build_request.h"

namespace dlc::cli {

/// Sets `dockerfile`, `dockerfile_name`, `lower.context`, `lower.contexts` and `fetched_context`.
void read_context(const GivenArguments& given, const RequestMeans& means, ImageBuildRequest& request);

}  // namespace dlc::cli
