#pragma once
// What --output asks for, in the spelling of `docker buildx build` (docs/docker-build-options.md).
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codec/compression.h"
#include "oci/image.h"

namespace dlc::build {

enum class OutputType { image, oci, docker, tar, local, cacheonly };

/// One annotation and the document that gets it.
struct Annotation {
  enum class Level { manifest, index, manifest_descriptor, index_descriptor };
  Level level = Level::manifest;
  std::optional<oci::Platform> platform;  ///< only for this one's manifest
  std::string key;
  std::string value;
};

struct OutputSpec {
  OutputType type = OutputType::image;
  std::string dest;                ///< file or directory; "-" is standard output; empty where the type needs none
  bool tar = true;                 ///< oci, docker: false writes a layout directory
  std::vector<std::string> names;  ///< more references for the image
  std::optional<codec::CompressionOptions> compression;
  bool force_compression = false;  ///< the base's layers too
  bool oci_media_types = true;     ///< false: Docker's, unless something needs OCI's
  bool rewrite_timestamp = false;
  bool push = false;
  bool push_by_digest = false;
  bool insecure = false;  ///< the registry speaks plain HTTP
  bool store = true;      ///< image: named in the store
  std::optional<bool> platform_split;
  std::vector<Annotation> annotations;
};

/// "type=oci,tar=false,dest=DIR", "DIR" (local) or "-" (tar to standard output); comma-separated, values may be quoted
/// as in CSV. Throws Error(usage) that names the unknown type or key.
[[nodiscard]] OutputSpec parse_output(std::string_view text);

/// "[index,manifest[linux/amd64]:]KEY" and its value: one annotation for each document named. Throws Error(usage).
[[nodiscard]] std::vector<Annotation> parse_annotation(const std::string& key, const std::string& value);

/// The fields of one CSV line, as --output, --secret and --mount are written.
[[nodiscard]] std::vector<std::string> split_csv(std::string_view text);

/// Whether the output is made from the image's blobs (not from its files alone).
[[nodiscard]] bool names_image(OutputType type);
/// Whether the output goes to standard output.
[[nodiscard]] bool is_stream(const OutputSpec& spec);

}  // namespace dlc::build
