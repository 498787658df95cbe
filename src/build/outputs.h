#pragma once
// What --output asks for: where a finished image, or only its files, is written (docs/docker-build-options.md).
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/events.h"
#include "codec/compression.h"
#include "oci/image.h"
#include "store/store.h"

namespace dlc::build {

enum class OutputType { image, oci, docker, tar, local, cacheonly };

struct OutputSpec {
  OutputType type = OutputType::image;
  std::string dest;                ///< file or directory; "-" is standard output; empty where the type needs none
  bool tar = true;                 ///< oci, docker: false writes a layout directory
  std::vector<std::string> names;  ///< more references for the image
  std::optional<codec::CompressionOptions> compression;
  bool force_compression = false;
  bool rewrite_timestamp = false;
  bool push = false;
  std::map<std::string, std::string> annotations;  ///< of the manifest
};

/// "type=oci,tar=false,dest=DIR", "DIR" (local) or "-" (tar to standard output); comma-separated, values may be quoted
/// as in CSV. Throws Error(usage) that names the unknown type or key.
[[nodiscard]] OutputSpec parse_output(std::string_view text);

/// The fields of one CSV line, as --output, --secret and --mount are written.
[[nodiscard]] std::vector<std::string> split_csv(std::string_view text);

/// A built image as outputs see it.
struct BuiltImage {
  oci::Descriptor manifest;
  codec::Digest chain;             ///< its file system; zero for an empty one
  std::vector<std::string> names;  ///< full references
};

/// Whether the output is made from the image's blobs (not from its files alone).
[[nodiscard]] bool names_image(OutputType type);

/// Writes the image. Needs the private mount namespace for `tar` and `local`. Nothing half-written is left behind for
/// archives. Throws Error that names the destination.
void write_output(const OutputSpec& spec, const BuiltImage& image, store::Store& store, EventBus& bus,
                  ActivityId parent);

}  // namespace dlc::build
