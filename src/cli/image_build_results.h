#pragma once
// What `dlc image build` leaves for scripts: --iidfile and --metadata-file.
#include <string>
#include <vector>

#include "build/solver.h"
#include "cli/image_build_request.h"
#include "oci/image.h"

namespace dlc::cli {

/// The names that the image gets: of -t and of all outputs.
[[nodiscard]] std::vector<std::string> all_names(const ImageBuildRequest& request);

/// Throws where one of the files could not be written: before the build, which may take an hour.
void check_result_files(const ImageBuildRequest& request);

/// `root` is the image's manifest or index; `results` those of its platforms.
void write_result_files(const ImageBuildRequest& request, const oci::Descriptor& root,
                        const std::vector<build::TargetResult>& results, store::Store& store);

}  // namespace dlc::cli
