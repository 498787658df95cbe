#pragma once
// Documents beside an image: artifact manifests that name it as their `subject` (image-spec 1.1 manifest.md,
// "Guidelines for Artifact Usage"), and the list of them that a registry without the referrers API keeps under a tag
// (distribution-spec 1.1, "Referrers Tag Schema").
#include <map>
#include <string>
#include <string_view>

#include "oci/image.h"

namespace dlc::oci {

inline constexpr std::string_view kEmptyType = "application/vnd.oci.empty.v1+json";
inline constexpr std::string_view kEmptyContent = "{}";  ///< of the blob that stands where an artifact has no config
inline constexpr const char* kTitle = "org.opencontainers.image.title";
inline constexpr const char* kCreated = "org.opencontainers.image.created";

/// One document that belongs to an image.
struct Artifact {
  std::string type;     ///< "application/spdx+json": of the artifact and of its only layer
  std::string title;    ///< a file name: "sbom.spdx.json"
  std::string created;  ///< RFC 3339; empty: left out
  std::string content;
};

/// The manifest of `artifact`: an empty config, the content as the only layer. Equal arguments give equal bytes; of
/// `subject`, media type, digest and size count.
[[nodiscard]] Manifest artifact_manifest(const Artifact& artifact, const Descriptor& subject);

/// Whether the manifest is a document beside another manifest, and no image (an image may have a subject too).
[[nodiscard]] bool is_referrer(const Manifest& manifest) noexcept;

/// `descriptor` of a manifest with a subject, as a list of referrers has it: with the manifest's artifact type (else
/// its config's media type) and annotations, and no platform.
[[nodiscard]] Descriptor referrer_entry(const Manifest& manifest, const Descriptor& descriptor);

/// The tag that lists the referrers of `subject`: "sha256-<hex>".
[[nodiscard]] std::string referrers_tag(const Digest& subject);

/// The index `list` with `entry` at its end; unchanged where it is there already. Whatever else is in the list stays as
/// it is. An empty `list` stands for a new one. Throws Error(invalid) where it is no image index.
[[nodiscard]] std::string with_referrer(std::string_view list, const Descriptor& entry);

}  // namespace dlc::oci
