#include "cli/image_sbom.h"

#include "cli/image_contents.h"
#include "cli/version.h"
#include "oci/artifact.h"
#include "store/referrers.h"

namespace dlc::cli {

contents::SbomSubject read_sbom(store::Store& store, const LocalImage& image) {
  const auto opened = open_image(store, image);
  return contents::read_sbom(*opened.tree, image.name.empty() ? image.digest.str() : familiar_name(image.name),
                             image.manifest_digest().str(), image.config().created,
                             image.config().platform.architecture);
}

std::string sbom_text(const contents::SbomSubject& subject, const std::string& format) {
  const auto tool = std::string("dlc-") + kVersion;
  return format == "spdx" ? contents::to_spdx(subject, tool) : contents::to_cyclonedx(subject, tool);
}

std::vector<oci::Descriptor> attach_sbom(store::Store& store, const LocalImage& image, contents::SbomSubject subject,
                                         std::span<const std::string> formats) {
  const auto& labels = image.config().labels;
  const auto title = labels.find(oci::kTitle);
  subject.name = title == labels.end() || title->second.empty() ? "image" : title->second;
  std::vector<oci::Artifact> artifacts;
  for (const auto& format : formats) {
    const bool spdx = format == "spdx";
    artifacts.push_back({.type = spdx ? "application/spdx+json" : "application/vnd.cyclonedx+json",
                         .title = spdx ? "sbom.spdx.json" : "sbom.cdx.json",
                         .created = image.config().created,
                         .content = sbom_text(subject, format)});
  }
  oci::Descriptor manifest;
  manifest.media_type = image.manifest().media_type;
  manifest.digest = image.manifest_digest();
  manifest.size = store.blobs().size(manifest.digest).value_or(0);
  return store::attach(store, manifest, artifacts);
}

}  // namespace dlc::cli
