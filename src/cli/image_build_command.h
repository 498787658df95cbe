#pragma once
// `dlc image build`: one image from a Dockerfile, with docker build's options, output and exit status
// (docs/docker-build-options.md, docs/exit-status.md).
#include <span>
#include <string>

#include "cli/command.h"

namespace dlc::cli {

int run_image_build(std::span<const std::string> arguments, const GlobalOptions& global);

}  // namespace dlc::cli
