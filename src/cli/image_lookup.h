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

struct LocalImage {
  std::string name;          ///< full reference; empty: found by digest alone
  oci::Digest digest;        ///< of the manifest
  std::int64_t updated = 0;  ///< when the name was set, seconds since 1970; 0: no name
  oci::Manifest manifest;
  oci::ImageConfig config;
};

/// The store that the global option, DLC_STORE or the default names.
[[nodiscard]] std::unique_ptr<store::Store> open_store(const std::string& option);

/// By name: a reference ("app:1", "app"), a manifest or config digest, or the first 6 and more of its hex digits.
/// Error(not_found) with a "did you mean", Error(invalid) where a short digest fits several.
[[nodiscard]] LocalImage find_image(store::Store& store, std::string_view text);
/// All names, sorted. An image whose documents are damaged or gone is left out; `damaged` gets its name.
[[nodiscard]] std::vector<LocalImage> list_images(store::Store& store, std::vector<std::string>& damaged);

/// "debian:latest" of a full reference.
[[nodiscard]] std::string familiar_name(const std::string& name);
/// Bytes of the compressed layers and the config: what a push or pull moves.
[[nodiscard]] std::uint64_t packed_size(const LocalImage& image);
/// Sum of the uncompressed layers, where the store has unpacked (or made) all of them.
[[nodiscard]] std::optional<std::uint64_t> unpacked_size(store::Store& store, const LocalImage& image);
/// Uncompressed bytes of layer `index`, where known.
[[nodiscard]] std::optional<std::uint64_t> layer_size(store::Store& store, const LocalImage& image, std::size_t index);

/// "3 hours ago"; "-" for 0.
[[nodiscard]] std::string age(std::int64_t when);
/// To standard output, flushed; throws Error where it cannot be written.
void print_out(std::string_view text);

}  // namespace dlc::cli
