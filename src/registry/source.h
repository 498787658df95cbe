#pragma once
// Where an image can be read from: a registry, an OCI layout, an archive, the store. One source is one named image
// (or several platforms of it). Thread-safe: blobs are fetched in parallel.
#include <memory>
#include <string>
#include <vector>

#include "codec/stream.h"
#include "oci/image.h"

namespace dlc::registry {

class ImageSource {
 public:
  virtual ~ImageSource() = default;
  /// For messages: "registry 127.0.0.1:5000", "OCI layout /x".
  [[nodiscard]] virtual std::string place() const = 0;
  /// The manifest or index that the name stands for now. One HEAD for a registry. Error(not_found/denied/network).
  [[nodiscard]] virtual oci::Descriptor resolve() = 0;
  /// The bytes of a manifest or index, checked against its digest and for both "layers" and "manifests".
  [[nodiscard]] virtual std::string manifest(const oci::Descriptor& descriptor) = 0;
  /// Writes exactly the blob's bytes to `out` (does not finish it), checking size and digest: Error(corrupt) at the end
  /// where they do not match, so `out` must be something that can be thrown away.
  virtual void copy_blob(const oci::Descriptor& descriptor, codec::Sink& out) = 0;
  /// The artifact manifests that name `subject` as theirs (oci/artifact.h), by digest; of a registry none are asked
  /// for.
  [[nodiscard]] virtual std::vector<oci::Descriptor> referrers(const oci::Digest& /*subject*/) { return {}; }
};

/// A small blob, whole (a config); Error(invalid) above `limit` bytes.
[[nodiscard]] std::string read_blob(ImageSource& source, const oci::Descriptor& descriptor,
                                    std::size_t limit = 8U << 20);

/// The entry of an index that runs on `wanted`; attestations and the like are passed over. Error(not_found) that lists
/// what there is.
[[nodiscard]] const oci::Descriptor& select_platform(const oci::Index& index, const oci::Platform& wanted,
                                                     const std::string& what);

/// A source's image for one platform: manifest and config, read and checked against each other.
struct ImageDocuments {
  oci::Descriptor root;        ///< what the name stands for: manifest or index
  oci::Descriptor descriptor;  ///< of the manifest
  std::string manifest_text;
  oci::Manifest manifest;
  std::string config_text;
  oci::ImageConfig config;
};

/// Follows an index to the platform's manifest. `root`, if the caller has resolved it already, saves a request.
[[nodiscard]] ImageDocuments read_image(ImageSource& source, const oci::Platform& platform,
                                        const oci::Descriptor* root = nullptr);

/// Throws Error(corrupt/invalid) unless `text` has this digest (and size, where it is not 0) and is a manifest or index
/// of the media type it was announced with. For implementations of `manifest`.
void check_manifest(const oci::Descriptor& descriptor, const std::string& text, const std::string& place);

}  // namespace dlc::registry
