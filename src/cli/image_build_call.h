#pragma once
// `dlc image build --call=targets` and `--call=outline`: what a Dockerfile offers, as buildx prints it.
#include <string>

#include "build/lower.h"
#include "dockerfile/dockerfile.h"

namespace dlc::cli {

/// The stages that have a name, and the last one, each with the comment above it ("# name what it is").
[[nodiscard]] std::string targets_text(const dockerfile::Dockerfile& file, bool json);

/// What the target takes: build arguments with their values, secrets, SSH agents. Throws Error(invalid) where there is
/// no such target.
[[nodiscard]] std::string outline_text(const dockerfile::Dockerfile& file, const build::LowerOptions& options,
                                       bool json);

}  // namespace dlc::cli
