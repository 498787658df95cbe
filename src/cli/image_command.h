#pragma once
// `dlc image ...`: the images in the store. `dlc image build` is elsewhere. JSON: docs/formats/image-json.md.
#include <span>
#include <string>

#include "cli/command.h"

namespace dlc::cli {

int run_image_ls(std::span<const std::string> arguments, const GlobalOptions& global);
int run_image_inspect(std::span<const std::string> arguments, const GlobalOptions& global);
int run_image_history(std::span<const std::string> arguments, const GlobalOptions& global);
int run_image_tag(std::span<const std::string> arguments, const GlobalOptions& global);
int run_image_rm(std::span<const std::string> arguments, const GlobalOptions& global);
int run_image_save(std::span<const std::string> arguments, const GlobalOptions& global);
int run_image_load(std::span<const std::string> arguments, const GlobalOptions& global);
int run_image_pull(std::span<const std::string> arguments, const GlobalOptions& global);
int run_image_check(std::span<const std::string> arguments, const GlobalOptions& global);
int run_image_sbom(std::span<const std::string> arguments, const GlobalOptions& global);
int run_image_push(std::span<const std::string> arguments, const GlobalOptions& global);

}  // namespace dlc::cli
