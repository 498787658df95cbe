#include "cli/image_sbom.h"

#include "cli/image_contents.h"
#include "cli/version.h"
#include "contents/sbom.h"

namespace dlc::cli {

std::string sbom_text(store::Store& store, const LocalImage& image, const std::string& format) {
  const auto opened = open_image(store, image);
  const auto subject =
      contents::read_sbom(*opened.tree, image.name.empty() ? image.digest.str() : familiar_name(image.name),
                          image.manifest_digest().str(), image.config().created, image.config().platform.architecture);
  const auto tool = std::string("dlc-") + kVersion;
  return format == "spdx" ? contents::to_spdx(subject, tool) : contents::to_cyclonedx(subject, tool);
}

}  // namespace dlc::cli
