#pragma once
// The bill of materials of a stored image, printed or attached to it.
#include <span>
#include <string>
#include <vector>

#include "cli/image_lookup.h"
#include "contents/sbom.h"

namespace dlc::cli {

/// Unpacks layers that are not yet.
[[nodiscard]] contents::SbomSubject read_sbom(store::Store& store, const LocalImage& image);

/// `format`: "spdx" or "cyclonedx".
[[nodiscard]] std::string sbom_text(const contents::SbomSubject& subject, const std::string& format);

/// Keeps the documents in the store as referrers of the chosen platform's manifest. Their bytes are a function of the
/// manifest and this program's version alone, whatever the image is called here: the title of its labels stands for the
/// name.
std::vector<oci::Descriptor> attach_sbom(store::Store& store, const LocalImage& image, contents::SbomSubject subject,
                                         std::span<const std::string> formats);

}  // namespace dlc::cli
