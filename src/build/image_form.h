#pragma once
// The same image in another form: what an output asks for beyond what the build keeps (compression, media types,
// annotations), and the index over the images of several platforms.
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "build/output_spec.h"
#include "codec/compression.h"
#include "oci/image.h"
#include "store/store.h"

namespace dlc::build {

/// One platform's image as it was built.
struct BuiltPlatform {
  oci::Platform platform;
  oci::Descriptor manifest;
  codec::Digest config;
  codec::Digest chain;                ///< its file system; zero for an empty one
  std::size_t base_layers = 0;        ///< of the lowest layers, how many came with the base
  std::optional<std::int64_t> epoch;  ///< SOURCE_DATE_EPOCH
};

struct ImageForm {
  std::optional<codec::CompressionOptions> compression;  ///< of the layers that the build made
  bool all_layers = false;                               ///< of the base's too
  bool docker_types = false;                             ///< Docker's media types instead of OCI's
  std::vector<Annotation> annotations;
  bool index = false;  ///< an index, also over one platform
};

/// Puts the image's documents (and layers, where they have to be packed anew) into the store; what is already in this
/// form stays as it is. The descriptor of the manifest, or of the index where there are several platforms. Throws
/// Error(usage) for annotations of an index that there is not.
[[nodiscard]] oci::Descriptor form_image(std::span<const BuiltPlatform> platforms, const ImageForm& form,
                                         store::Store& store);

}  // namespace dlc::build
