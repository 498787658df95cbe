#pragma once
// The images that the store has names for, and finding one by what a person types.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "oci/image.h"
#include "store/store.h"

namespace dlc::cli {

/// One platform's image.
struct LocalPlatform {
  oci::Platform platform;
  oci::Digest digest;  ///< of the manifest
  oci::Manifest manifest;
  oci::ImageConfig config;
};

struct LocalImage {
  std::string name;                      ///< full reference; empty: found by digest alone
  oci::Digest digest;                    ///< of what the name stands for: a manifest, or an index
  std::int64_t updated = 0;              ///< when the name was set, seconds since 1970; 0: no name
  std::vector<LocalPlatform> platforms;  ///< those that are here: several of an index
  std::size_t chosen = 0;                ///< of them: the one asked for, else this machine's, else the first

  [[nodiscard]] const oci::Digest& manifest_digest() const { return platforms.at(chosen).digest; }
  [[nodiscard]] const oci::Manifest& manifest() const { return platforms.at(chosen).manifest; }
  [[nodiscard]] const oci::ImageConfig& config() const { return platforms.at(chosen).config; }
  /// "linux/amd64, linux/arm64".
  [[nodiscard]] std::string platform_names() const;
};

/// The store that the global option, DLC_STORE or the default names.
[[nodiscard]] std::unique_ptr<store::Store> open_store(const std::string& option);

/// By name: a reference ("app:1", "app"), a manifest or config digest, or the first 6 and more of its hex digits.
/// Error(not_found) with a "did you mean", or where it is not there for `platform`; Error(invalid) where a short digest
/// fits several.
[[nodiscard]] LocalImage find_image(store::Store& store, std::string_view text,
                                    const std::optional<oci::Platform>& platform = std::nullopt);
/// All names, sorted. An image whose documents are damaged or gone is left out; `damaged` gets its name.
[[nodiscard]] std::vector<LocalImage> list_images(store::Store& store, std::vector<std::string>& damaged);

/// "debian:latest" of a full reference.
[[nodiscard]] std::string familiar_name(const std::string& name);
/// Bytes of the compressed layers and the configs, each once: what a push or pull moves.
[[nodiscard]] std::uint64_t packed_size(const LocalImage& image);
/// Sum of the chosen platform's uncompressed layers, where the store has unpacked (or made) all of them.
[[nodiscard]] std::optional<std::uint64_t> unpacked_size(store::Store& store, const LocalImage& image);
/// Uncompressed bytes of layer `index`, where known.
[[nodiscard]] std::optional<std::uint64_t> layer_size(store::Store& store, const LocalImage& image, std::size_t index);

/// Unpacks the layers of the chosen platform that are not yet; the chain id of its root.
oci::Digest unpack_image(store::Store& store, const LocalImage& image);

/// "3 hours ago"; "-" for 0.
[[nodiscard]] std::string age(std::int64_t when);

}  // namespace dlc::cli
